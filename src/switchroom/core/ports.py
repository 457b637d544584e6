"""What the core needs from the outside, as Protocols; it never asks which technology it talks to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from switchroom.model.endpoint import EndpointId
from switchroom.model.events import EndpointEvent
from switchroom.model.message import Delivery, DeliveryReport, Referral, ReferralReport, TextMessage


class Clock(Protocol):
    """Time; simulated in tests."""

    def wall(self) -> float:
        """Seconds since the epoch, for people."""
        ...

    def monotonic(self) -> float:
        """Seconds on a scale that never jumps, for expiry and timers."""
        ...


class Technology(Protocol):
    """A way to reach endpoints. ``plan_*`` raise what the caller did wrong; ``deliver`` and ``refer``
    return at once and report later, with the object they were given.
    """

    #: As ARI spells it, e.g. ``PJSIP``.
    name: str

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        """Where the message goes, at least one delivery. Sends nothing.

        Raises:
            InvalidParameter: sender, destination or headers can not be used.
            EndpointNotFound: no such endpoint, or it has no contact.
        """
        ...

    def deliver(self, delivery: Delivery) -> None:
        """Sends one planned delivery; a ``DeliveryReport`` follows, whatever happens."""
        ...

    def refer(self, referral: Referral) -> None:
        """Checks and sends a referral; ``ReferralReport`` s follow.

        Raises:
            InvalidParameter, EndpointNotFound: as ``plan``.
        """
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Reports(Protocol):
    """Where technologies report to."""

    def delivery(self, report: DeliveryReport) -> None: ...

    def referral(self, report: ReferralReport) -> None: ...


class Listener(Protocol):
    """Somebody who hears events; the bus asks first whether a text has a taker at all."""

    def takes(self, endpoint: EndpointId) -> bool:
        """Whether a text from this endpoint would reach somebody who is listening now."""
        ...

    def hear(self, event: EndpointEvent) -> None: ...


class Journal(Protocol):
    """Where accepted messages are kept until their end is known."""

    async def append(self, message: TextMessage, deliveries: Sequence[Delivery]) -> None:
        """Returns when the message is kept as durably as this journal can."""
        ...

    def transition(self, report: DeliveryReport) -> None: ...


class Alarm(Protocol):
    """A one-shot timer that was set."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """One-shot timers of the event loop."""

    def call_later(self, delay: float, action: Callable[[], None]) -> Alarm:
        """Calls ``action`` once, after ``delay`` seconds."""
        ...


class Resolver(Protocol):
    """Names to addresses (RFC 3263)."""

    async def resolve(self, host: str, port: int | None, transport: str) -> list[tuple[str, int]]:
        """Addresses to try in order; OSError when there is none."""
        ...
