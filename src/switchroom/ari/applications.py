"""Applications: who hears what.

An application has a name, at most one WebSocket, subscriptions and an event filter. It lives while it
has a WebSocket or a subscription that was asked for; what ``subscribeAll`` subscribed ends with the
WebSocket. It gets each event once, however its subscriptions overlap (docs/rulings.md 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from switchroom.ari.devices import device_state
from switchroom.ari.limits import APPLICATIONS, DEVICES, SUBSCRIPTIONS
from switchroom.ari.memory import Memories, Memory, Recalled
from switchroom.ari.render import Rendered, Renderer
from switchroom.ari.reply import encode
from switchroom.core.ports import Clock
from switchroom.model.endpoint import EndpointId, EndpointState
from switchroom.model.errors import Overloaded
from switchroom.model.events import (
    DeviceUseChange,
    EndpointEvent,
    EndpointStateChange,
    Event,
    ReferStatusChange,
    TextMessageStatusChange,
)

_log = structlog.get_logger("switchroom.ari.applications")

#: Kinds of event sources, and what stands in an application's lists for all of a kind.
KINDS = {
    "channel": "__AST_CHANNEL_ALL_TOPIC",
    "bridge": "__AST_BRIDGE_ALL_TOPIC",
    "endpoint": "__AST_ENDPOINT_ALL_TOPIC",
    "deviceState": "__AST_DEVICE_STATE_ALL_TOPIC",
}

#: Kinds that Asterisk does not have; ``subscribeAll`` does not subscribe to them, and no application shows them.
ADDED_KINDS = ("message", "referral")


class Receiver(Protocol):
    """A WebSocket that serves applications: one that came in, or one that we opened."""

    applications: list[Application]
    #: The other side's address.
    peer: str

    @property
    def unsent(self) -> Sequence[bytes]:
        """Once it has ended: what was not sent."""
        ...

    @property
    def torn(self) -> bool:
        """And whether nobody knows what arrived of the rest."""
        ...

    def send(self, payload: bytes) -> None:
        """Sends an event; never waits, never raises."""
        ...

    def replay(self, payloads: Sequence[bytes]) -> None:
        """Sends events that were kept, however many."""
        ...


class _Named(msgspec.Struct):
    """What an event says of whom it is for."""

    type: str
    application: str


_decode_named = msgspec.json.Decoder(_Named).decode


class Application:
    """One name and what it is subscribed to. Changed by ``Applications`` only."""

    __slots__ = (
        "_admitted",
        "_silenced",
        "allowed",
        "disallowed",
        "filtered",
        "label",
        "memory",
        "name",
        "resumes",
        "socket",
        "sources",
        "transient",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        #: The name as JSON, as every event carries it.
        self.label = encode(name)
        self.socket: Receiver | None = None
        #: Whether it wants what it misses between two WebSockets, and that, while it is between them.
        self.resumes = False
        self.memory: Memory | None = None
        #: ``(kind, target)``; the empty target is all of the kind.
        self.sources: set[tuple[str, str]] = set()
        #: Those of the sources that end with the WebSocket.
        self.transient: set[tuple[str, str]] = set()
        self.allowed: list[Any] = []
        self.disallowed: list[Any] = []
        self._admitted: frozenset[str] = frozenset()
        self._silenced: frozenset[str] = frozenset()
        #: Whether there is a filter at all.
        self.filtered = False

    def filter(self, allowed: list[Any], disallowed: list[Any]) -> None:
        """Sets the event filter; each entry is an object with a ``type``."""
        self.allowed, self.disallowed = allowed, disallowed
        self._admitted = frozenset(entry["type"] for entry in allowed)
        self._silenced = frozenset(entry["type"] for entry in disallowed)
        self.filtered = bool(allowed or disallowed)

    def passes(self, kind: str) -> bool:
        """Whether the filter lets events of this type through; what is disallowed stays so."""
        return kind not in self._silenced and (not self._admitted or kind in self._admitted)

    def tell(self, event: Rendered) -> None:
        """Sends the event to the application's WebSocket, if it has one and wants it."""
        _tell((self,), event)

    def document(self) -> dict[str, Any]:
        """ARI model ``Application``."""
        return {
            "name": self.name,
            "channel_ids": self._targets("channel"),
            "bridge_ids": self._targets("bridge"),
            "endpoint_ids": self._targets("endpoint"),
            "device_names": self._targets("deviceState"),
            "events_allowed": self.allowed,
            "events_disallowed": self.disallowed,
        }

    def _targets(self, kind: str) -> list[str]:
        return sorted(target or KINDS[kind] for k, target in self.sources if k == kind)


def _tell(applications: Iterable[Application], event: Rendered) -> None:
    """Sends the event to whoever of them is connected and wants it."""
    kind, before, after = event
    for application in applications:
        if application.filtered and not application.passes(kind):
            continue
        if application.socket is not None:
            application.socket.send(before + application.label + after)
        elif application.memory is not None:
            application.memory.keep(before + application.label + after)


class Applications:
    """All applications, and the listener that brings them the core's events."""

    def __init__(
        self, renderer: Renderer, clock: Clock, standing: Mapping[str, Iterable[tuple[str, str]]] = {}
    ) -> None:
        """``standing`` are sources, by application, that it is subscribed to whenever it has a WebSocket."""
        self._renderer = renderer
        self._clock = clock
        self._standing = standing
        self._memories = Memories(clock)
        self._by_name: dict[str, Application] = {}
        #: Who hears an endpoint's or a device's events; worked out when first needed, until something changes.
        self._hearing: dict[EndpointId, tuple[Application, ...]] = {}
        self._watching: dict[str, tuple[Application, ...]] = {}
        #: Messages and referrals somebody subscribed to; None until it is worked out again.
        self._followed: set[tuple[str, str]] | None = None
        #: Device state of each endpoint as last seen: only changes are events.
        self._devices: dict[EndpointId, str] = {}

    # ---- asking

    def get(self, name: str) -> Application | None:
        return self._by_name.get(name)

    def all(self) -> list[Application]:
        return [self._by_name[name] for name in sorted(self._by_name)]

    # ---- changing

    def admit(self, names: Iterable[str]) -> None:
        """Makes room for what ``join`` will add.

        Raises:
            Overloaded: there are too many applications.
        """
        new = {name for name in names if name not in self._by_name}
        excess = len(self._by_name) + len(new) - APPLICATIONS
        if excess <= 0:
            return
        inactive = [application.name for application in self._by_name.values() if application.socket is None]
        if len(inactive) < excess:
            raise Overloaded("Too many applications")
        for name in inactive[:excess]:
            _log.warning("an inactive application is forgotten for a new one", application=name)
            del self._by_name[name]
            self._memories.forget(name)

    def join(self, names: Iterable[str], socket: Receiver, *, everything: bool, resumes: bool = False) -> None:
        """Registers the WebSocket for each name; whoever had one of them is told and loses it.

        ``resumes``: it is sent what it missed since the last one, and what it misses after this one will be kept.
        """
        missed = []
        for name in dict.fromkeys(names):
            application = self._by_name.get(name)
            if application is None:
                application = self._by_name[name] = Application(name)
            elif application.socket is not None:
                application.tell(self._renderer.replaced(self._clock.wall()))
                application.socket.applications.remove(application)
            recalled = self._memories.recall(name)
            if recalled is not None and resumes:
                missed.append((application, recalled))
            if application.memory is not None:
                # What was kept for its return has served.
                application.memory = None
                self._end_transient(application)
            application.resumes = resumes
            application.socket = socket
            socket.applications.append(application)
            self._subscribe_while(application, everything)
        self._changed()
        for application, recalled in missed:
            self._replay(application, recalled, socket)

    def _subscribe_while(self, application: Application, everything: bool) -> None:
        """To what it hears while it has a WebSocket."""
        wanted = {(kind, "") for kind in KINDS} if everything else set()
        wanted.update(self._standing.get(application.name, ()))
        wanted -= application.sources
        application.sources |= wanted
        application.transient |= wanted

    def _replay(self, application: Application, recalled: Recalled, socket: Receiver) -> None:
        if recalled.lost != 0:
            # As it is about what is missing, no filter makes it missing, too.
            marker = self._renderer.events_lost(recalled.lost, recalled.since, self._clock.wall())
            socket.send(marker.before + application.label + marker.after)
        socket.replay(recalled.events)

    def expect(self, names: Iterable[str], *, everything: bool) -> None:
        """Keeps from now on what the applications miss; they are to come."""
        for name in names:
            application = self._by_name[name] = Application(name)
            application.resumes = True
            application.memory = self._memories.begin(name)
            self._subscribe_while(application, everything)
        self._changed()

    def leave(self, socket: Receiver) -> None:
        """The WebSocket is gone; a name that another one took over meanwhile is not touched."""
        unsent = _by_application(socket.unsent) if any(a.resumes for a in socket.applications) else {}
        for application in socket.applications:
            application.socket = None
            # To the end of the dictionary: the longest inactive is forgotten first.
            del self._by_name[application.name]
            if application.resumes:
                events = unsent.get(application.name, ())
                application.memory = self._memories.begin(application.name, events, torn=socket.torn)
                self._by_name[application.name] = application
            else:
                self._rest(application)
        socket.applications.clear()
        self._changed()

    def sweep(self) -> None:
        """Ends the memories whose time is over; to be called now and then."""
        for name in self._memories.over():
            self._memories.forget(name)
            application = self._by_name.pop(name, None)
            if application is not None:
                application.memory = None
                self._rest(application)
            self._changed()

    def _rest(self, application: Application) -> None:
        """It has neither WebSocket nor memory: what was subscribed for them ends, and without more so does it."""
        self._end_transient(application)
        if application.sources:
            self._by_name[application.name] = application

    def _end_transient(self, application: Application) -> None:
        application.sources -= application.transient
        application.transient.clear()

    def subscribe(self, application: Application, sources: Iterable[tuple[str, str]]) -> None:
        """Adds subscriptions that last until they are taken back.

        Raises:
            Overloaded: they are too many; none is added.
        """
        wanted = set(sources)
        if len(application.sources | wanted) > SUBSCRIPTIONS:
            raise Overloaded("Too many subscriptions")
        application.sources |= wanted
        application.transient -= wanted
        self._changed()

    def unsubscribe(self, application: Application, sources: Iterable[tuple[str, str]]) -> None:
        """Takes subscriptions back. The application goes with its last when it has no WebSocket."""
        gone = set(sources)
        application.sources -= gone
        application.transient -= gone
        if not application.sources and application.socket is None and application.memory is None:
            self._by_name.pop(application.name, None)
        self._changed()

    def _changed(self) -> None:
        self._hearing.clear()
        self._watching.clear()
        self._followed = None

    # ---- hearing

    def takes(self, endpoint: EndpointId) -> bool:
        """Whether a text from this endpoint would reach an application that is connected, or will be soon."""
        hearing = self._hearing.get(endpoint)
        if hearing is None:
            hearing = self._find_hearing(endpoint)
        return any(application.passes("TextMessageReceived") for application in hearing)

    def hear(self, event: Event) -> None:
        """Brings an event of the core to whoever subscribed to its endpoint, message or referral."""
        if type(event) is TextMessageStatusChange or not isinstance(event, EndpointEvent):
            self._hear_progress(event)
            return
        endpoint = event.endpoint.id
        hearing = self._hearing.get(endpoint)
        if hearing is None:
            hearing = self._find_hearing(endpoint)
        if hearing:
            rendered = self._renderer.event(event)
            if rendered is not None:
                _tell(hearing, rendered)
        if isinstance(event, EndpointStateChange | DeviceUseChange):
            self._hear_device(endpoint, event)

    def _hear_progress(self, event: Event) -> None:
        """A message or a referral got further."""
        if self._followed is not None and not self._followed:
            return
        if isinstance(event, TextMessageStatusChange):
            kind, target = "message", event.message.id
        elif isinstance(event, ReferStatusChange):
            kind, target = "referral", event.referral.id
        else:
            return
        followed = self._followed
        if followed is None:
            followed = self._followed = {
                source for a in self._by_name.values() for source in a.sources if source[0] in ADDED_KINDS
            }
        if (kind, "") in followed or (kind, target) in followed:
            rendered = self._renderer.event(event)
            assert rendered is not None
            _tell(self._with_any((kind, target), (kind, "")), rendered)

    def _hear_device(self, endpoint: EndpointId, event: EndpointStateChange | DeviceUseChange) -> None:
        """An endpoint is a device too; one that has only just come to exist has no state yet."""
        if event.endpoint.state is EndpointState.UNKNOWN:
            return
        state = device_state(event.endpoint, event.use)
        if self._devices.get(endpoint) != state:
            self._devices[endpoint] = state
            self.device_changed(str(endpoint), state, event.at)

    def device_changed(self, name: str, state: str, at: float) -> None:
        """Brings a device's new state to whoever subscribed to it."""
        watching = self._watching.get(name)
        if watching is None:
            if len(self._watching) > DEVICES:
                self._watching.clear()
            watching = self._watching[name] = self._with_any(("deviceState", name), ("deviceState", ""))
        if watching:
            _tell(watching, self._renderer.device_state(name, state, at))

    def _find_hearing(self, endpoint: EndpointId) -> tuple[Application, ...]:
        found = self._with_any(("endpoint", str(endpoint)), ("endpoint", endpoint.technology), ("endpoint", ""))
        self._hearing[endpoint] = found
        return found

    def _with_any(self, *sources: tuple[str, str]) -> tuple[Application, ...]:
        return tuple(
            application
            for application in self._by_name.values()
            if (application.socket is not None or application.memory is not None)
            and any(source in application.sources for source in sources)
        )


def _by_application(events: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Events that were not sent by whom they were for; answers to requests are for nobody any more."""
    found: dict[str, list[bytes]] = {}
    for event in events:
        named = _decode_named(event)
        if named.type != "RESTResponse":
            found.setdefault(named.application, []).append(event)
    return found
