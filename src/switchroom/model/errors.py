"""What a caller did wrong, or cannot have. The ARI edge maps each to a status in one place."""

from __future__ import annotations

from switchroom.model.endpoint import EndpointId


class DomainError(Exception):
    """Base of all errors meant for the caller; the text is shown to them."""


class InvalidParameter(DomainError):
    """A value that can not be used as asked: shown as 400."""


class InvalidReferTo(InvalidParameter):
    """A target that nobody may be referred to: shown as 400."""


class EndpointNotFound(DomainError):
    """No such endpoint, technology or contact: shown as 404."""

    def __init__(self, text: str = "Endpoint not found") -> None:
        super().__init__(text)


class NoContact(EndpointNotFound):
    """The endpoint exists but can not be reached anywhere now; shown as EndpointNotFound, unless it may wait."""

    def __init__(self, endpoint: EndpointId) -> None:
        super().__init__()
        self.endpoint = endpoint


class MessageNotFound(DomainError):
    """No such message, or it is forgotten by now: shown as 404."""

    def __init__(self) -> None:
        super().__init__("Message not found")


class ReferralNotFound(DomainError):
    """No such referral, or it is forgotten by now: shown as 404."""

    def __init__(self) -> None:
        super().__init__("Referral not found")


class Conflict(DomainError):
    """What is asked does not go with what is there: shown as 409."""


class Full(DomainError):
    """There is no room for one more: shown as 507."""


class ObjectNotFound(DomainError):
    """No such configuration object, or kind of objects: shown as 404."""


class ObjectReadOnly(DomainError):
    """A configuration object that can not be changed while the server runs: shown as 403."""


class ConfigurationUnusable(DomainError):
    """The configuration as it is now can not be used, so nothing was changed: shown as 409."""


class Overloaded(DomainError):
    """A bound is reached; the caller may try again later: shown as 503."""
