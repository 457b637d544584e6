"""The one error of the SIP kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchroom.wire.sip.message import Request


class SipError(ValueError):
    """Something that breaks the protocol, with a hint how to answer it.

    ``status`` is the status code of an answer; 0 means it is not worth one and is dropped.
    ``request`` is the request as far as it was understood when the fault of a whole message was found, so that its
    Via, From, To, Call-ID and CSeq can be tried for an answer; None when nothing in it can be trusted.
    """

    status: int
    reason: str
    request: Request | None

    def __init__(self, status: int, reason: str, request: Request | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.request = request
