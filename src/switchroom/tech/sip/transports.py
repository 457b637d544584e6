"""The listeners SIP is spoken on: which one a request leaves by, and what we are called there."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from switchroom.core.policy import is_loopback
from switchroom.model.settings import SipEndpointSettings, TransportSettings
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.uri import Uri

WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, never bound to


#: What the ``transport`` parameter of a URI says for each; nothing for the default. RFC 7118 has no other word for
#: WebSocket over TLS than for WebSocket.
URI_TRANSPORT = {"udp": "", "tcp": "tcp", "tls": "tls", "ws": "ws", "wss": "ws"}


def bracketed(host: str) -> str:
    """An address as it stands in a URI or Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def host_port(host: str, port: int) -> str:
    return f"{bracketed(host)}:{port}"


def route_to(user: str, scheme: str, listener: Listener, peer: str) -> str:
    """A Route that leads a peer back to us (RFC 3261 16.6 step 4), known by its ``user``."""
    parameter = URI_TRANSPORT[listener.protocol]
    transport = f";transport={parameter}" if parameter and not (scheme == "sips" and parameter == "tls") else ""
    return f"<{scheme}:{user}@{listener.sent_by(peer)}{transport};lr>"


class Connections(Protocol):
    """The connections of a listener of streams."""

    def connected(self, host: str, port: int) -> bool:
        """Whether there is one with this peer."""
        ...

    async def connect(self, host: str, port: int, server_name: str) -> None:
        """Opens one, unless there is one; OSError when that fails."""
        ...


class Listener:
    """One bound transport."""

    def __init__(
        self,
        settings: TransportSettings,
        host: str,
        port: int,
        send: Callable[[bytes, str, int], object],
        local_address: Callable[[str], str],
        connections: Connections | None = None,
    ) -> None:
        """``host`` and ``port`` are as bound; ``local_address(peer)`` tells our address towards a peer,
        asked only when bound to every address. ``connections`` are those of streams; without them there
        are only datagrams.
        """
        self.settings = settings
        self.name = settings.name
        self.protocol = settings.protocol
        self.host = host
        self.port = port
        self.send = send
        self.ipv6 = ":" in host
        self.loopback = is_loopback(host)
        self._wildcard = host in WILDCARDS
        #: Our address where it is the same for every peer, which is asked for with each request; empty where it is not.
        external = settings.external_signaling_address or settings.external_signaling_port
        self._own = "" if self._wildcard or external else bracketed(host)
        self._sent_by = f"{self._own}:{port}" if self._own else ""
        self._local_address = local_address
        self.connections = connections

    def own_host(self, peer: str) -> str:
        """Our address as a peer should see it: the external one beyond ``local_net`` (for all when that is not set)."""
        if self._own:
            return self._own
        settings = self.settings
        if settings.external_signaling_address and not self._is_local(peer):
            return bracketed(settings.external_signaling_address)
        return bracketed(self._local_address(peer) if self._wildcard else self.host)

    def own_port(self, peer: str) -> int:
        settings = self.settings
        if settings.external_signaling_port and not self._is_local(peer):
            return settings.external_signaling_port
        return self.port

    def sent_by(self, peer: str) -> str:
        """``host:port`` for Via."""
        return self._sent_by or f"{self.own_host(peer)}:{self.own_port(peer)}"

    def reached_at(self, peer: str) -> str:
        """``host:port`` and what a URI needs for a request to come in here again, for Contact."""
        parameter = URI_TRANSPORT[self.protocol]
        return f"{self.sent_by(peer)};transport={parameter}" if parameter else self.sent_by(peer)

    def connected(self, host: str, port: int) -> bool:
        """Whether there is a connection with this peer; never for datagrams."""
        return self.connections is not None and self.connections.connected(host, port)

    def fits(self, ipv6: bool, either: bool) -> bool:
        """Whether it sends to addresses of this family; ``either``: the family is not known yet."""
        return either or self.ipv6 == ipv6

    def is_at(self, host: str) -> bool:
        """Whether ``host``, a literal address in any spelling, is one this listener is bound to."""
        if (":" in host) != self.ipv6:
            return False
        if self.ipv6:
            host = str(ip_address(host))
        return host == self.host or (self._wildcard and (is_loopback(host) or self._local_address(host) == host))

    def flow(self, host: str, port: int) -> Flow:
        return Flow(self.protocol, self.name, host, port)

    def _is_local(self, peer: str) -> bool:
        if not self.settings.local_net:
            return False
        try:
            address = ip_address(peer.strip("[]").partition("%")[0])
        except ValueError:
            return False
        return any(address.version == net.version and address in net for net in self.settings.local_net)


class Transports:
    """All listeners, in the order of the configuration."""

    def __init__(self) -> None:
        self.listeners: dict[str, Listener] = {}
        self._ports: set[tuple[str, int]] = set()

    def add(self, listener: Listener) -> None:
        self.listeners[listener.name] = listener
        self._ports.add((listener.protocol, listener.port))

    def choose(self, endpoint: SipEndpointSettings | None, target: Uri, preferred: str = "") -> Listener | None:
        """The listener for a request to ``target``: the endpoint's own, the one the phone registered at
        (``preferred``), or the first of the right protocol and family. None when there is none, and for browsers,
        which nobody can connect to.
        """
        protocols = _open_to(target)
        host = next_host(target)
        ipv6 = ":" in host
        # A name may have addresses of either family; a literal needs its own.
        either = not ipv6 and not host.replace(".", "").isdigit()
        if endpoint is not None and endpoint.transport:
            named = self.listeners.get(endpoint.transport)
            return named if named is not None and named.protocol in protocols and named.fits(ipv6, either) else None
        registered = self.listeners.get(preferred)
        if registered is not None and registered.protocol == protocols[0] and registered.fits(ipv6, either):
            return registered
        for protocol in protocols:
            fallback = None
            for listener in self.listeners.values():
                if listener.protocol == protocol and protocol not in BROWSERS and listener.fits(ipv6, either):
                    if listener.ipv6 == ipv6:
                        return listener
                    fallback = fallback or listener
            if fallback is not None:
                return fallback
        return None

    def instead_of_udp(self, target: Uri, udp: Listener) -> Listener | None:
        """The TCP listener for what is too large for ``udp``; None when there is none or the URI names a transport."""
        if target.param("transport") is not None:
            return None
        for listener in self.listeners.values():
            if listener.protocol == "tcp" and listener.ipv6 == udp.ipv6:
                return listener
        return None

    def choices(self, endpoint: SipEndpointSettings, target: Uri, chosen: Listener) -> dict[str, dict[bool, Listener]]:
        """By protocol which listener sends to the IPv4 (False) and to the IPv6 addresses (True) of a name. ``chosen``
        and its protocol come first; others where neither the endpoint insists on its transport nor the URI on a
        protocol. After TCP, which was chosen for what is large, UDP is none.
        """
        protocols = _open_to(target)
        rest = protocols[protocols.index(chosen.protocol) :] if chosen.protocol in protocols else ()
        found = {chosen.protocol: {chosen.ipv6: chosen}}
        for protocol in () if endpoint.transport else dict.fromkeys((chosen.protocol, *rest)):
            for listener in self.listeners.values():
                if listener.protocol == protocol:
                    found.setdefault(protocol, {}).setdefault(listener.ipv6, listener)
        return found

    def names_us(self, uri: Uri) -> bool:
        """Whether the host and port of a URI are this server: where a listener is bound, what it is known as from
        outside, or its domain.
        """
        host = uri.host.strip("[]")
        port = uri.port or (5061 if uri.scheme == "sips" or uri.param("transport") == "tls" else 5060)
        for listener in self.listeners.values():
            settings = listener.settings
            if host == settings.domain.lower() != "" and uri.port in (None, listener.port):
                return True
            outside = settings.external_signaling_port or listener.port
            if host == settings.external_signaling_address.lower() != "" and port == outside:
                return True
            if listener.port == port and is_address(host) and listener.is_at(host):
                return True
        return False

    def is_own(self, protocol: str, host: str, port: int) -> bool:
        """Whether a literal address is one that we listen at: a request sent there would come back to us."""
        return (protocol, port) in self._ports and any(
            listener.port == port and listener.protocol == protocol and listener.is_at(host)
            for listener in self.listeners.values()
        )


#: Protocols of which the peer opens every connection.
BROWSERS = ("ws", "wss")


def _open_to(uri: Uri) -> tuple[str, ...]:
    """The protocols a request to ``uri`` may use (RFC 3263 4.1), the usual one first: several for a name without a
    port, where DNS may tell.
    """
    if uri.scheme == "sips":
        return ("tls",)
    written = uri.param("transport")
    if written is not None:
        return ((written or "udp").lower(),)
    host = next_host(uri)
    if uri.port is not None or ":" in host or host.replace(".", "").isdigit():
        return ("udp",)
    return ("udp", "tcp", "tls")


def is_address(host: str) -> bool:
    """Whether it is a literal address, without brackets."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def next_host(uri: Uri) -> str:
    """The host a request to ``uri`` is sent to, without brackets: its ``maddr`` before its host (RFC 3261 19.1.1)."""
    return (uri.param("maddr") or uri.host).strip("[]")
