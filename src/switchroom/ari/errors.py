"""What is refused and with which status: the one place where errors become answers."""

from __future__ import annotations

from switchroom.model.errors import DomainError, EndpointNotFound, InvalidParameter, Overloaded

_STATUS: dict[type[DomainError], int] = {InvalidParameter: 400, EndpointNotFound: 404, Overloaded: 503}


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
