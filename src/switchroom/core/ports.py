"""What the core needs from the outside, as Protocols; it never asks which technology it talks to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from switchroom.model.endpoint import EndpointId
from switchroom.model.events import Event
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
    """A way to reach endpoints. ``plan`` and ``refer`` raise what the caller did wrong; ``deliver`` and
    ``refer`` return at once and report later, with the object they were given.
    """

    #: As ARI spells it, e.g. ``PJSIP``.
    name: str

    def plan(self, message: TextMessage) -> Sequence[Delivery]:
        """Where the message goes, at least one delivery; those to contacts known to be unreachable are marked,
        unless all are. Sends nothing.

        Raises:
            InvalidParameter: sender, destination or headers can not be used.
            EndpointNotFound: no such endpoint; NoContact when there is one, without a contact.
        """
        ...

    def deliver(self, delivery: Delivery, done: Callable[[DeliveryReport], None]) -> None:
        """Sends one planned delivery; ``done`` is called once, whatever happens, possibly before this returns."""
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

    def referral(self, report: ReferralReport) -> None: ...


class Listener(Protocol):
    """Somebody who hears events; the bus asks first whether a text has a taker at all."""

    def takes(self, endpoint: EndpointId) -> bool:
        """Whether a text from this endpoint would reach somebody who is listening now."""
        ...

    def hear(self, event: Event) -> None: ...


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


class Locator(Resolver, Protocol):
    """A resolver that finds out the transport too."""

    async def locate(self, host: str, port: int | None, transports: Sequence[str]) -> list[tuple[str, str, int]]:
        """Transport, address and port to try in order, for a URI that leaves the transport open (RFC 3263 4.1):
        one of ``transports``, the first of which is meant where DNS does not say. OSError when there is none.
        """
        ...
