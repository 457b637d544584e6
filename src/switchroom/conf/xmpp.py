"""xmpp.conf: accounts on XMPP servers. Every section but ``[general]`` is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from switchroom.conf.options import Honoured, Table, TableReader, words
from switchroom.conf.parse import Misread, boolean, cautious_boolean, host, plain, whole
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section
from switchroom.model.xmpp_settings import XmppAccountSettings, XmppSettings

#: Asterisk's words for a presence, to those of RFC 6121 4.7.2.1.
_SHOWS = {
    "available": "",
    "online": "",
    "chat": "chat",
    "chatty": "chat",
    "away": "away",
    "xa": "xa",
    "xaway": "xa",
    "dnd": "dnd",
    "invisible": "dnd",
}

#: No JID has one of these (RFC 7622 3); what else is wrong is found when it is used.
_NO_JID = re.compile(r"[\x00-\x20\x7f\"&'<>]")
_PRIORITY = re.compile(r"-?[0-9]{1,3}")


def _component(text: str) -> bool:
    if text.lower() not in ("client", "component"):
        raise Misread("client or component", meanwhile="until then it counts as client", value=False, harmless=True)
    return text.lower() == "component"


def _jid(text: str) -> str:
    """A JID; only its resource may hold other characters than names do."""
    if not text or _NO_JID.search(text.partition("/")[0]) or not text.isprintable():
        raise Misread("a JID, as pbx@example.org", meanwhile="until then there is none", value="")
    return text


def _buddy(text: str) -> tuple[str, ...]:
    return (_jid(text).partition("/")[0].lower(),)


def _show(text: str) -> str:
    show = _SHOWS.get(text.lower())
    if show is None:
        raise Misread(f"one of {', '.join(_SHOWS)}")
    return show


def _priority(text: str) -> int:
    if not _PRIORITY.fullmatch(text) or not -128 <= int(text) <= 127:
        raise Misread("a whole number from -128 to 127")
    return int(text)


GENERAL = Table(
    "xmpp.conf [general]",
    {"autoregister": Honoured("autoregister", boolean)},
    accepted=words("debug autoprune collection_nodes pubsub_autocreate auth_policy"),
    any_case=True,
)

ACCOUNT = Table(
    "an XMPP account",
    {
        "type": Honoured("component", _component),
        "username": Honoured("username", _jid),
        "secret": Honoured("secret", plain, secret=True),
        "serverhost": Honoured("server_host", host),
        "port": Honoured("port", whole(1, 65535)),
        "usetls": Honoured("use_tls", cautious_boolean),
        "forceoldssl": Honoured("direct_tls", boolean),
        "tls_verify": Honoured("tls_verify", cautious_boolean),
        "tls_ca_file": Honoured("tls_ca_file", plain),
        "keepalive": Honoured("keepalive", boolean),
        "priority": Honoured("priority", _priority),
        "status": Honoured("show", _show),
        "statusmessage": Honoured("status_message", plain),
        "buddy": Honoured("buddies", _buddy, repeats=True),
        "autoregister": Honoured("autoregister", boolean),
        "sendtodialplan": Honoured("receive_texts", boolean),
    },
    accepted=words("usesasl context timeout debug autoprune auth_policy pubsub_node"),
    unsupported={
        "distribute_events": "Remove the line",
        "refresh_token": "Write a secret, and remove the line",
        "oauth_clientid": "Write a secret, and remove the line",
        "oauth_secret": "Write a secret, and remove the line",
    },
    any_case=True,
)


def read_xmpp(sections: Sequence[Section], problems: Problems) -> XmppSettings:
    """The accounts; one that lacks something is there too, and does not connect."""
    general = TableReader(GENERAL, problems)
    reader = TableReader(ACCOUNT, problems)
    defaults: dict[str, Any] = {}
    accounts: dict[str, XmppAccountSettings] = {}
    for section in sections:
        if section.template:
            continue
        if section.name.lower() == "general":
            defaults.update(general.read(section))
        elif section.name in accounts:
            problems.error(
                section.source,
                f'there are two XMPP accounts "{section.name}", and only the first is read',
                "Give the second another name",
            )
        else:
            values = defaults | reader.read(section)
            account = XmppAccountSettings(name=section.name, source=section.source, **values)
            accounts[section.name] = _settle(account, section, problems)
    return XmppSettings(accounts=accounts)


def _settle(account: XmppAccountSettings, section: Section, problems: Problems) -> XmppAccountSettings:
    """Looks at what belongs together."""
    missing = [option for option, value in (("username", account.username), ("secret", account.secret)) if not value]
    if account.component and not account.server_host:
        missing.append("serverhost")
    for option in missing:
        problems.error(
            section.source,
            f'the XMPP account "{section.name}" has no {option}',
            f"Add a line {option}=; until then it can not connect",
        )
    if not account.component and account.username and "@" not in account.username:
        problems.error(
            section.where("username"),
            f'the username of the XMPP account "{section.name}" is no JID of an account',
            "Write it as pbx@example.org, or type=component if it is one; until then it can not connect",
        )
        return replace(account, username="")
    if not account.component and not account.tls_verify and account.use_tls:
        problems.warning(
            section.where("tls_verify"),
            f'the XMPP account "{section.name}" believes any certificate',
            "Name the certificate of the server, or of who signed it, with tls_ca_file, and remove the line",
        )
    return account
