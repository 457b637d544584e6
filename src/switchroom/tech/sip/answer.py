"""What a step decides about a request: a response, and changes to who is where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from switchroom.core.registry import AddressOfRecord
from switchroom.model.endpoint import Contact

#: The methods we serve ourselves (RFC 3261 20.5).
ALLOW = "OPTIONS, REGISTER, MESSAGE, NOTIFY"

#: The same, and those of calls that pass through us.
ALLOW_CALLS = f"INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO, SUBSCRIBE, REFER, {ALLOW}"

#: The methods whose answers are counted one by one (RFC 3261 and its extensions); others are counted together.
METHODS = (
    *("REGISTER", "MESSAGE", "OPTIONS", "INVITE", "ACK", "BYE", "CANCEL", "REFER", "NOTIFY", "SUBSCRIBE", "PUBLISH"),
    *("INFO", "UPDATE", "PRACK"),
)


class Bind(NamedTuple):
    """A contact is added or refreshed."""

    aor: AddressOfRecord
    contact: Contact


class Unbind(NamedTuple):
    """A contact is taken away."""

    aor: AddressOfRecord
    uri: str


class Answer(NamedTuple):
    """A response to send, and the changes that go with it. ``stateless``: nothing is remembered, a
    retransmission is judged anew (challenges, SECURITY.md S19).
    """

    status: int
    headers: Sequence[tuple[str, str]] = ()
    reason: str = ""
    body: bytes = b""
    changes: Sequence[Bind | Unbind] = ()
    stateless: bool = False
