"""Registered contacts, kept so that a restart takes nobody away.

What is tied to a connection ends with it, and so with the process; every other contact is where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec
import structlog

from switchroom.core.ports import Clock
from switchroom.core.storage import ContactStore, StoreUnavailable
from switchroom.model.endpoint import Contact
from switchroom.model.settings import AorSettings
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.flow import Flow

log = structlog.get_logger(__name__)


class Bindings:
    """The contacts of one technology in the store."""

    def __init__(self, technology: str, store: ContactStore, clock: Clock) -> None:
        self._technology = technology
        self._store = store
        self._clock = clock
        self.lasting = store.lasting
        self._unconfirmed: list[Callable[[], None]] = []
        self._confirming: asyncio.Task[None] | None = None

    def confirm(self, then: Callable[[], None]) -> None:
        """``then`` is called when what was kept so far is on disk; also when it can not be written now: whoever
        registered is served while we live, which is more than a refusal would do for them.
        """
        self._unconfirmed.append(then)
        if self._confirming is None:
            self._confirming = asyncio.get_running_loop().create_task(self._confirm())

    async def _confirm(self) -> None:
        """All who came while the disk was busy share its next answer."""
        try:
            while self._unconfirmed:
                waiting, self._unconfirmed = self._unconfirmed, []
                with suppress(StoreUnavailable):
                    await self._store.confirm()
                for then in waiting:
                    try:
                        then()
                    except Exception:
                        log.exception("an answer was not sent")
        finally:
            self._confirming = None

    async def stop(self) -> None:
        """Waits for nobody any more."""
        if self._confirming is not None:
            self._confirming.cancel()
            with suppress(asyncio.CancelledError):
                await self._confirming

    def keep(self, contact: Contact) -> None:
        """Writes a contact behind, unless it is static or tied to a connection."""
        if contact.expires is not None and not contact.tied:
            left = contact.expires - self._clock.monotonic()
            self._store.save(self._technology, contact, self._clock.wall() + left)

    def forget(self, aor: str, uri: str) -> None:
        self._store.forget(self._technology, aor, uri)

    async def load(self, aors: Mapping[str, AorSettings], listeners: Mapping[str, Listener]) -> list[Contact]:
        """Who is registered still, in the order they registered; what is over or not configured is forgotten.

        Raises:
            StoreUnavailable: they can not be read.
        """
        found = []
        wall, now = self._clock.wall(), self._clock.monotonic()
        for contact, expires in await self._store.load(self._technology):
            settings = aors.get(contact.aor)
            if expires <= wall or settings is None:
                self.forget(contact.aor, contact.uri)
                continue
            # A clock that was set back must not keep anybody longer than the registrar grants.
            left = min(expires - wall, float(settings.maximum_expiration))
            found.append(msgspec.structs.replace(contact, expires=now + left, flow=_flow(contact, listeners)))
        return sorted(found, key=lambda contact: contact.registered)


def _flow(contact: Contact, listeners: Mapping[str, Listener]) -> Flow | None:
    """The flow it registered over; None when the listener is gone."""
    host, _, port = contact.address.rpartition(":")
    if contact.listener not in listeners or not port.isdecimal():
        return None
    return Flow(contact.transport, contact.listener, host.strip("[]"), int(port))
