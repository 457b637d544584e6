"""What a caller did wrong, or cannot have. The ARI edge maps each to a status in one place."""

from __future__ import annotations


class DomainError(Exception):
    """Base of all errors meant for the caller; the text is shown to them."""


class InvalidParameter(DomainError):
    """A value that can not be used as asked: shown as 400."""


class EndpointNotFound(DomainError):
    """No such endpoint, technology or contact: shown as 404."""

    def __init__(self, text: str = "Endpoint not found") -> None:
        super().__init__(text)


class Overloaded(DomainError):
    """A bound is reached; the caller may try again later: shown as 503."""
