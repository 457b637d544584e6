"""Channels: the legs of calls, shown with the endpoint whose leg each is.

A technology opens a channel for a leg when the leg comes to be, turns it when it is answered, and closes it when the
call ends. The registry shows the ids with the endpoint, and what the channels make of it as a device.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from itertools import count

from switchroom.core.bus import Bus
from switchroom.core.ports import Clock
from switchroom.core.registry import Registry
from switchroom.model.endpoint import DeviceUse, EndpointId


class ChannelState(StrEnum):
    """How far a leg of a call is."""

    #: The called endpoint's, before it is answered.
    RINGING = "ringing"
    #: The calling endpoint's, before it is answered.
    CALLING = "calling"
    UP = "up"


class Channels:
    """All channels by their ids. Not bounded here: whoever opens them bounds the calls they belong to.

    An endpoint that a reload takes away keeps its calls: its channels are shown nowhere, and end as all others.
    """

    def __init__(self, registry: Registry, bus: Bus, clock: Clock) -> None:
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._sequence = count()
        self._endpoints: dict[str, EndpointId] = {}
        #: Endpoints that have channels, and these in the order they were opened.
        self._states: dict[EndpointId, dict[str, ChannelState]] = {}
        self._busy_at: dict[str, Callable[[str], int]] = {}

    def attach(self, technology: str, busy_at: Callable[[str], int]) -> None:
        """``busy_at(resource)`` says how many calls make an endpoint of the technology busy; 0: none do."""
        self._busy_at[technology] = busy_at

    def __len__(self) -> int:
        return len(self._endpoints)

    def open(self, endpoint: EndpointId, state: ChannelState) -> str:
        """A new channel of the endpoint; its id is ``epoch.sequence``, as Asterisk's ``1700000000.42``."""
        channel = f"{int(self._clock.wall())}.{next(self._sequence)}"
        self._endpoints[channel] = endpoint
        self._states.setdefault(endpoint, {})[channel] = state
        self._show(endpoint)
        return channel

    def turn(self, channel: str, state: ChannelState) -> None:
        """The leg got further; nothing happens when it has been closed."""
        endpoint = self._endpoints.get(channel)
        if endpoint is not None:
            self._states[endpoint][channel] = state
            self._show(endpoint)

    def close(self, channel: str) -> None:
        """The leg is over; nothing happens when it was already."""
        endpoint = self._endpoints.pop(channel, None)
        if endpoint is None:
            return
        states = self._states[endpoint]
        del states[channel]
        if not states:
            del self._states[endpoint]
        self._show(endpoint)

    def _show(self, endpoint: EndpointId) -> None:
        states = self._states.get(endpoint, {})
        use = self._use(endpoint, states.values()) if states else None
        self._bus.publish(self._registry.occupy(endpoint, tuple(states), use))

    def _use(self, endpoint: EndpointId, states: Collection[ChannelState]) -> DeviceUse:
        """As Asterisk's PJSIP aggregates them: what only rings is not yet in use, and does not make busy."""
        in_use = len(states) - tuple(states).count(ChannelState.RINGING)
        if not in_use:
            return DeviceUse.RINGING
        ask = self._busy_at.get(endpoint.technology)
        busy_at = ask(endpoint.resource) if ask is not None else 0
        if 0 < busy_at <= in_use:
            return DeviceUse.BUSY
        return DeviceUse.INUSE if in_use == len(states) else DeviceUse.RINGINUSE
