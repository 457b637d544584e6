"""What is refused and with which status: the one place where errors become answers."""

from __future__ import annotations

from switchroom.core.storage import StoreUnavailable
from switchroom.model.errors import (
    ConfigurationUnusable,
    Conflict,
    DomainError,
    EndpointNotFound,
    Full,
    InvalidParameter,
    MessageNotFound,
    ObjectNotFound,
    ObjectReadOnly,
    Overloaded,
    ReferralNotFound,
)

_STATUS: dict[type[DomainError], int] = {
    InvalidParameter: 400,
    ObjectReadOnly: 403,
    EndpointNotFound: 404,
    MessageNotFound: 404,
    ReferralNotFound: 404,
    ObjectNotFound: 404,
    Conflict: 409,
    ConfigurationUnusable: 409,
    Overloaded: 503,
    StoreUnavailable: 503,
    Full: 507,
}


class Refusal(Exception):
    """An answer other than success.

    ``message`` is shown to the client; ``headers`` are whole header lines, each with its CRLF;
    ``close`` ends the connection after the answer.
    """

    def __init__(self, status: int, message: str, headers: bytes = b"", *, close: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers
        self.close = close


def refusal_of(error: DomainError) -> Refusal:
    """A domain error as an answer; one without a status of its own is the caller's fault."""
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return Refusal(status, str(error))
    return Refusal(400, str(error))
