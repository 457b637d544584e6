"""iax.conf, and the sections of users.conf that mean IAX2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from switchroom.conf.acl import AccessLists, acl_options
from switchroom.conf.chan_sip_options import qualify
from switchroom.conf.listed import IAX2, flagged
from switchroom.conf.options import Honoured, Table, TableReader, words
from switchroom.conf.parse import (
    FALSE,
    TRUE,
    Misread,
    bind,
    boolean,
    cautious_boolean,
    host,
    milliseconds,
    networks,
    plain,
    split_port,
    whole,
)
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Option, Section
from switchroom.model.iax2_settings import IaxPeerSettings, IaxRegistration, IaxSettings
from switchroom.model.settings import Source

DEFAULT_PORT = 4569

_METHODS = ("md5", "plaintext")


def _auth(text: str) -> tuple[str, ...]:
    """As in Asterisk any list in which the words stand."""
    found = tuple(method for method in _METHODS if method in text.lower())
    if "rsa" in text.lower():
        meanwhile = f"until then it is {','.join(found)}" if found else "until then nobody can log in so"
        raise Misread(
            "md5 or plaintext: rsa is not supported",
            advice="Write auth=md5, and a secret",
            meanwhile=meanwhile,
            value=found,
            harmless=True,
        )
    if not found:
        raise Misread("md5 or plaintext")
    return found


def _secrets(text: str) -> tuple[str, ...]:
    return tuple(secret for part in text.split(";") if (secret := part.strip()))


def _call_token(text: str) -> str:
    word = text.lower()
    if word not in TRUE | FALSE | {"auto"}:
        raise Misread("yes, no or auto", meanwhile="until then it counts as yes", value="yes")
    return "auto" if word == "auto" else "yes" if word in TRUE else "no"


def _registration(text: str) -> tuple[IaxRegistration, ...]:
    """``user[:secret]@host[:port]``."""
    account, _, address = text.rpartition("@")
    username, _, secret = account.partition(":")
    try:
        name, port = split_port(address)
        usable = bool(username and host(name)) and not secret.startswith("[")
    except ValueError:
        usable = False
    if not usable:
        raise Misread(
            "user:secret@host or user:secret@host:port, without a key", meanwhile="until then it is left out", value=()
        )
    return (IaxRegistration(username=username, secret=secret, host=name, port=port or DEFAULT_PORT),)


def _binds(text: str) -> tuple[tuple[str, int | None], ...]:
    return (bind(text),)


#: About audio, trunks, the dialplan and threads.
_OF_BOTH = words("""
    accountcode adsi allow allowfwdownload amaflags bandwidth codecpriority connectedline context disallow
    forcejitterbuffer jitterbuffer language maxauthreq mohinterpret mohsuggest parkinglot trunk transfer
    """)

_NO_ENCRYPTION = "Calls are not encrypted; remove the line, and keep them in a network you trust"

GENERAL = Table(
    "iax.conf [general]",
    {
        "bindaddr": Honoured("_binds", _binds, repeats=True),
        "bindport": Honoured("_port", whole(0, 65535)),
        "auth": Honoured("_auth", _auth),
        "forceencryption": Honoured("_encrypted", cautious_boolean),
        "minregexpire": Honoured("min_expire", whole(1, 65535)),
        "maxregexpire": Honoured("max_expire", whole(1, 65535)),
        "calltokenexpiration": Honoured("call_token_expiration", whole(1, 3600)),
        "calltokenoptional": Honoured("call_token_optional", networks, repeats=True),
        "maxcallnumbers": Honoured("max_call_numbers", whole(1, 32_768)),
        "maxcallnumbers_nonvalidated": Honoured("max_unproven", whole(0, 32_768)),
        "register": Honoured("registrations", _registration, repeats=True, secret=True),
    },
    accepted=_OF_BOTH
    | words("""
    authdebug autokill bindtos cos delayreject dropcount iaxcompat iaxmaxthreadcount iaxthreadcount
    jittershrinkrate jittertargetextra lagrqtime maxexcessbuffer maxjitterbuffer maxjitterinterps minexcessbuffer
    nochecksums notransfer pingtime regcontext resyncthreshold rtautoclear rtcachefriends rtignoreregexpire rtupdate
    sendani shrinkcallerid srvlookup tos trunkfreq trunkmaxsize trunkmtu trunktimestamps
    """),
    unsupported={"encryption": _NO_ENCRYPTION},
    any_case=True,
)

PEER = Table(
    "an IAX2 peer",
    {
        "host": Honoured("host", host),
        "port": Honoured("port", whole(1, 65535)),
        "secret": Honoured("secrets", _secrets, secret=True),
        "auth": Honoured("auth", _auth),
        "inkeys": Honoured("_keys", plain),
        "dbsecret": Honoured("_keys", plain),
        "username": Honoured("username", plain),
        "qualify": Honoured("qualify", qualify),
        "qualifysmoothing": Honoured("qualify_smoothing", boolean),
        "qualifyfreqok": Honoured("qualify_ok", milliseconds(1, 86_400_000)),
        "qualifyfreqnotok": Honoured("qualify_not_ok", milliseconds(1, 86_400_000)),
        "requirecalltoken": Honoured("call_token", _call_token),
        "forceencryption": Honoured("encrypted", cautious_boolean),
        **acl_options(),
    },
    accepted=_OF_BOTH
    | words("""
    callerid cid_number fullname hasexten hasvoicemail immediate keyrotate mailbox mask maxcallnumbers
    notransfer outkey peercontext regexten sendani setvar sourceaddress timezone type
    """),
    unsupported={"encryption": _NO_ENCRYPTION, "defaultip": "Write host= with the address"},
    any_case=True,
)


def read_iax(
    sections: Sequence[Section], users: Iterable[Section], access: AccessLists, problems: Problems
) -> IaxSettings:
    """The settings of iax.conf; the peers of users.conf follow its own."""
    reader = TableReader(GENERAL, problems)
    values: dict[str, Any] = {}
    source = Source(IAX2.file, 0)
    for section in sections:
        if section.name.lower() == "general" and not section.template:
            source = section.source
            values.update(reader.read(section))
    port = values.pop("_port", DEFAULT_PORT)
    binds = values.pop("_binds", ()) or (("0.0.0.0", None),)  # noqa: S104 - what Asterisk binds to
    values["binds"] = tuple((address, port if own is None else own) for address, own in binds)
    defaults = {"auth": values.pop("_auth", ("md5",)), "encrypted": values.pop("_encrypted", False)}
    settings = IaxSettings(**values, peers=_Peers(defaults, access, problems).read(sections, users))
    if settings.min_expire > settings.max_expire:
        problems.error(
            source,
            "minregexpire is greater than maxregexpire",
            f"Swap them; until then both are {settings.max_expire}",
        )
        settings = replace(settings, min_expire=settings.max_expire)
    return settings


class _Peers:
    def __init__(self, defaults: dict[str, Any], access: AccessLists, problems: Problems) -> None:
        self._defaults = defaults
        self._access = access
        self._problems = problems
        self._reader = TableReader(PEER, problems)

    def read(self, sections: Iterable[Section], users: Iterable[Section]) -> dict[str, IaxPeerSettings]:
        """Sections of one name are one peer, as in Asterisk."""
        found: dict[str, dict[str, Any]] = {}
        for section in sections:
            if section.template or section.name.lower() in IAX2.reserved:
                continue
            # The first type decides, as in the driver.
            kind = next((text.lower() for name, text, _, _ in section.options() if name.lower() == "type"), "")
            if kind in IAX2.listed:
                self._add(found, section, self._reader.read(section))
            elif kind not in IAX2.types:
                self._problems.warning(
                    section.source,
                    f'the section "{section.name}" of {IAX2.file} has no type of a peer, so there is none',
                    "Add a line type=friend or type=peer, or (!) after the name of a template",
                )
        for section in flagged(users, IAX2.users_flag):
            self._add(found, section, self._reader.take(_known(section), {}))
        return {name: self._settle(name, values) for name, values in found.items()}

    def _add(self, found: dict[str, dict[str, Any]], section: Section, values: dict[str, Any]) -> None:
        self._access.resolve(values, "acl", section)
        found.setdefault(section.name, {"source": section.source}).update(values)

    def _settle(self, name: str, values: dict[str, Any]) -> IaxPeerSettings:
        """Looks at what belongs together; what can not be checked lets nobody in."""
        keys = values.pop("_keys", "")
        peer = IaxPeerSettings(name=name, **(self._defaults | values))
        if peer.host.lower() == "dynamic":
            peer = replace(peer, host="", dynamic=True)
        if keys and not peer.secrets:
            self._problems.error(
                peer.source,
                f'the IAX2 peer "{name}" has a key or a secret in a database, which are not supported',
                "Add a secret=; until then it can not log in",
            )
            return replace(peer, auth=())
        if not peer.secrets and peer.auth and not peer.acl:
            self._problems.warning(
                peer.source,
                f'the IAX2 peer "{name}" has no secret, so anybody who knows its name is let in',
                "Add secret=, or permit= and deny=",
            )
        if peer.encrypted:
            self._problems.error(
                peer.source,
                f'the calls of the IAX2 peer "{name}" are to be encrypted, which is not supported',
                "Remove forceencryption; until then it can register, and there are no texts",
            )
        return peer


def _known(section: Section) -> Iterator[Option]:
    """The other options of a user are not about IAX2."""
    return (option for option in section.options() if option[0].lower() in PEER.honoured)
