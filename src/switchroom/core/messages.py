"""The message service: a text is planned, kept, then delivered to each contact, and its end is known.

The order is the promise: nothing is answered 202 before the journal has the message.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from switchroom.core.ports import Clock, Journal, Technology
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound
from switchroom.model.message import DeliveryReport, TextMessage


def new_id() -> str:
    """An id that is hard to guess: 16 hex digits."""
    return secrets.token_hex(8)


class Technologies:
    """The technologies that run, found by any spelling of their name (charter ruling 4)."""

    def __init__(self) -> None:
        self._by_name: dict[str, Technology] = {}

    def add(self, technology: Technology) -> None:
        self._by_name[technology.name.upper()] = technology

    def find(self, name: str) -> Technology:
        """The technology; EndpointNotFound when none of this name can send."""
        technology = self._by_name.get(name.upper())
        if technology is None:
            raise EndpointNotFound
        return technology

    def split(self, destination: str) -> tuple[Technology, str]:
        """``pjsip:carol`` to the technology and ``carol``; EndpointNotFound without a known technology."""
        name, colon, rest = destination.partition(":")
        if not colon:
            raise EndpointNotFound
        return self.find(name), rest


class Messages:
    """Takes texts in and sees them through."""

    def __init__(
        self,
        technologies: Technologies,
        journal: Journal,
        clock: Clock,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._technologies = technologies
        self._journal = journal
        self._clock = clock
        self._make_id = make_id

    async def send(self, to: str, sender: str, body: str, headers: Mapping[str, str]) -> TextMessage:
        """Accepts a text for ``to`` (``pjsip:carol``); returns when it is kept and on its way.

        Raises:
            InvalidParameter: sender, destination or a header can not be used as asked.
            EndpointNotFound: unknown technology or endpoint, or no contact.
        """
        technology, destination = self._technologies.split(to)
        return await self._accept(technology, destination, sender, body, headers)

    async def send_to(
        self,
        endpoint: EndpointId,
        sender: str,
        body: str,
        headers: Mapping[str, str],
        *,
        max_forwards: int | None = None,
    ) -> TextMessage:
        """As ``send``, to an endpoint by its name, whatever characters the name has.

        ``max_forwards``: servers a text that came from one may still pass; None for a new text.
        """
        technology = self._technologies.find(endpoint.technology)
        return await self._accept(
            technology, endpoint.resource, sender, body, headers, by_name=True, max_forwards=max_forwards
        )

    async def _accept(
        self,
        technology: Technology,
        destination: str,
        sender: str,
        body: str,
        headers: Mapping[str, str],
        *,
        by_name: bool = False,
        max_forwards: int | None = None,
    ) -> TextMessage:
        message = TextMessage(
            id=self._make_id(),
            technology=technology.name,
            destination=destination,
            by_name=by_name,
            sender=sender,
            body=body,
            headers=headers,
            max_forwards=max_forwards,
            created=self._clock.wall(),
        )
        deliveries = technology.plan(message)
        await self._journal.append(message, deliveries)
        for delivery in deliveries:
            technology.deliver(delivery)
        return message

    def report(self, report: DeliveryReport) -> None:
        """What became of a delivery; called by technologies."""
        self._journal.transition(report)
