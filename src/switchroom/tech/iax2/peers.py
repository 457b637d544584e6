"""Peers as they are now: settings, address, and whether they answer."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from switchroom.core.access import permits
from switchroom.core.schedule import Deadline
from switchroom.model.endpoint import EndpointId
from switchroom.model.iax2_settings import IaxPeerSettings, IaxSettings
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Credentials
from switchroom.wire.iax2.numbers import MD5, PLAINTEXT

_BITS = {"md5": MD5, "plaintext": PLAINTEXT}


class Verdict(Enum):
    """What the last question to a peer showed."""

    NONE = "none"
    REACHABLE = "Reachable"
    LAGGED = "Lagged"
    UNREACHABLE = "Unreachable"


class Peer:
    """One peer. ``address`` is None while nobody knows where it is."""

    __slots__ = (
        "address",
        "expires",
        "expiry",
        "id",
        "mean",
        "next_poke",
        "poke",
        "registered",
        "roundtrip",
        "settings",
        "token_from",
        "token_seen",
        "verdict",
    )

    def __init__(self, technology: str, settings: IaxPeerSettings) -> None:
        self.settings = settings
        self.id = EndpointId(technology, settings.name)
        self.address: Address | None = None
        #: When it registered last, wall-clock seconds.
        self.registered = 0.0
        #: When its registration ends, on the monotonic scale, and the look at it that is due.
        self.expires = 0.0
        self.expiry: Deadline | None = None
        self.verdict = Verdict.NONE
        #: Of the last answer, in seconds, and the mean with those before it; 0: none yet.
        self.roundtrip = 0.0
        self.mean = 0.0
        self.next_poke: Deadline | None = None
        #: The question that is open; an answer to an older one says nothing.
        self.poke: object | None = None
        #: Who last showed a call token in its name, and whether that was the peer: from then on it needs one
        #: (``requirecalltoken=auto``).
        self.token_from: Address | None = None
        self.token_seen = False

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def methods(self) -> int:
        """How it may prove who it is, bits of AUTH_METHODS."""
        return sum(_BITS[method] for method in self.settings.auth)

    @property
    def contact(self) -> str:
        """Where it is, for people and as the name of its lane."""
        assert self.address is not None
        return f"iax2:{self.name}@{host_port(self.address)}"

    @property
    def open(self) -> bool:
        """Whether it need not prove who it is."""
        return not self.settings.secrets and bool(self.methods)

    @property
    def credentials(self) -> Credentials:
        """Who we are to it."""
        secrets = self.settings.secrets
        return Credentials(self.settings.username, secrets[0] if secrets else "", self.methods)

    def permits(self, host: str) -> bool:
        return permits(self.settings.acl, host)


class Peers:
    """All peers by name, case-sensitive as in Asterisk."""

    def __init__(self, technology: str, settings: IaxSettings) -> None:
        self._technology = technology
        self._by_name = {peer.name: Peer(technology, peer) for peer in settings.peers.values()}

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, settings: IaxPeerSettings) -> Peer:
        peer = self._by_name[settings.name] = Peer(self._technology, settings)
        return peer

    def remove(self, peer: Peer) -> None:
        del self._by_name[peer.name]

    def get(self, name: str) -> Peer | None:
        return self._by_name.get(name)


def host_port(address: Address) -> str:
    """IPv6 in brackets."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"
