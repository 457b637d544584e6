"""Who sends to whom: what callers write, and how people of other technologies are called in XMPP.

A text goes out through one account, which ``from`` names, or ``to`` as in ``gateway/romeo@example.org``. A client
speaks for itself alone; a component for any name of its domain, so ``alice@sip.example`` is how XMPP sees a phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from slixmpp.jid import JID

from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.message import TextMessage
from switchroom.tech.xmpp.account import Account

_SCHEME = "xmpp:"

#: XEP-0106: what a JID's local part can not hold, written so that it can.
_ESCAPED = {sign: f"\\{ord(sign):02x}" for sign in " \"&'/:<>@"}
_ESCAPE = re.compile(r"[ \"&'/:<>@]|\\(?=[0-9a-f]{2})")
_UNESCAPE = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


class Way(NamedTuple):
    """Through which account a text goes, where to, and as whom (empty: as the account itself)."""

    account: Account
    to: JID
    sender: str


class Addressing:
    """Resolves addresses for all accounts (see ``core.addresses.Dialect``)."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts

    # ---- texts out

    def way(self, message: TextMessage) -> Way:
        """Raises EndpointNotFound, InvalidParameter."""
        if not message.sender:
            raise InvalidParameter("from must be specified")
        through, to = self._destination(message)
        sender = self._own(message.sender)
        if sender is None:
            raise EndpointNotFound
        account, name = sender
        if through is not None and through is not account:
            raise EndpointNotFound
        return Way(account, to, name)

    def _destination(self, message: TextMessage) -> tuple[Account | None, JID]:
        """Where to, and the account that leads there when the destination says so."""
        text = message.destination
        account = self._accounts.get(text)
        if account is not None:
            return None, JID(account.jid.bare)
        if message.by_name:
            raise EndpointNotFound
        name, slash, rest = text.partition("/")
        through = self._accounts.get(name) if slash and "@" not in name else None
        if through is not None:
            text = rest
        if "@" not in text and "." not in text:
            raise EndpointNotFound
        return through, _jid("to", text)

    def _own(self, sender: str) -> tuple[Account, str] | None:
        """The account that a sender is, or is a name of."""
        text = sender[len(_SCHEME) :] if sender[: len(_SCHEME)].lower() == _SCHEME else sender
        account = self._accounts.get(text)
        if account is None:
            # As in Asterisk, the case of a sender's name does not matter.
            lowered = text.lower()
            account = next((a for name, a in self._accounts.items() if name.lower() == lowered), None)
        if account is not None:
            return account, account.jid.bare if account.settings.component else ""
        try:
            address = JID(text)
        except ValueError:
            return None
        for account in self._accounts.values():
            if account.settings.component and address.domain == account.jid.domain:
                return account, address.full
            if not account.settings.component and address.user and address.bare == account.jid.bare:
                return account, ""
        return None

    # ---- people of other technologies

    def sender(self, alias: str, through: str) -> str:
        """Raises EndpointNotFound, InvalidParameter."""
        account = self._accounts.get(through) if through else self._component()
        if account is None:
            # No account of that name, and no component to speak for others.
            raise EndpointNotFound
        if not account.settings.component:
            return account.name
        name = f"{escape(alias)}@{account.jid.domain}"
        _jid("from", name)
        return name

    def carrier(self, beyond: str) -> str | None:
        """A component carries texts to any JID that is not its own, else the only account there is."""
        try:
            address = JID(beyond)
        except ValueError:
            return None
        account = self._component() or (next(iter(self._accounts.values())) if len(self._accounts) == 1 else None)
        if account is None or not address.user or address.bare == account.jid.bare:
            return None
        return account.name if address.domain != account.jid.domain or not account.settings.component else None

    def _component(self) -> Account | None:
        return next((account for account in self._accounts.values() if account.settings.component), None)


def escape(name: str) -> str:
    """A name as the local part of a JID (XEP-0106)."""
    return _ESCAPE.sub(lambda sign: _ESCAPED.get(sign[0], "\\5c"), name)


def unescape(local: str) -> str:
    """The name that was escaped."""
    return _UNESCAPE.sub(lambda code: chr(int(code[1], 16)), local)


def _jid(parameter: str, text: str) -> JID:
    try:
        return JID(text)
    except ValueError as error:
        raise InvalidParameter(f"{parameter} is no JID: {text}") from error
