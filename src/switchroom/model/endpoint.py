"""Endpoints and the contacts they are reached at."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class EndpointId(NamedTuple):
    """An endpoint's name: technology as ARI spells it (``PJSIP``), resource case-sensitive."""

    technology: str
    resource: str

    def __str__(self) -> str:
        return f"{self.technology}/{self.resource}"


class EndpointState(StrEnum):
    """ARI model ``Endpoint.state``."""

    UNKNOWN = "unknown"
    OFFLINE = "offline"
    ONLINE = "online"


class DeviceUse(StrEnum):
    """What the channels of an endpoint make of it as a device; names of ARI model ``DeviceState.state``."""

    INUSE = "INUSE"
    BUSY = "BUSY"
    RINGING = "RINGING"
    RINGINUSE = "RINGINUSE"


class Endpoint(msgspec.Struct, frozen=True):
    """ARI model ``Endpoint``; field order is the order on the wire."""

    technology: str
    resource: str
    state: EndpointState
    channel_ids: tuple[str, ...] = ()

    @property
    def id(self) -> EndpointId:
        return EndpointId(self.technology, self.resource)


class ContactStatus(StrEnum):
    """ARI model ``ContactInfo.contact_status``."""

    NON_QUALIFIED = "NonQualified"
    REACHABLE = "Reachable"
    UNREACHABLE = "Unreachable"
    UNKNOWN = "Unknown"
    REMOVED = "Removed"


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """One place an address of record is reached at.

    ``uri`` is the key within its address of record and what a request is sent to. Times: ``registered``
    is wall-clock seconds, ``expires`` is on the core clock's monotonic scale (None: static, never).
    """

    aor: str
    uri: str
    status: ContactStatus = ContactStatus.NON_QUALIFIED
    roundtrip_usec: int = 0
    static: bool = False
    registered: float = 0.0
    expires: float | None = None
    q: float = 1.0
    user_agent: str = ""
    #: ``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``; empty when the URI decides.
    transport: str = ""
    #: ``host:port`` the registration came from, IPv6 in brackets; empty for a static contact.
    address: str = ""
    #: Path header values, topmost first (RFC 3327); the route set of requests to this contact.
    path: tuple[str, ...] = ()
    #: What the phone itself wrote as its Contact, when ``uri`` was rewritten; answered back to it.
    original_uri: str = ""
    #: Order of registrations (RFC 3261 10.3 step 7).
    call_id: str = ""
    cseq: int = 0
    #: ``+sip.instance`` (RFC 5626), empty when the phone gave none.
    instance: str = ""
    #: ``reg-id`` (RFC 5626), 0 when the phone gave none: with ``instance`` it names the binding across new URIs.
    reg_id: int = 0
    #: Name of the listener it registered at.
    listener: str = ""
    #: Listener and connection it registered over; opaque to the core.
    flow: object | None = None
    #: Reached over that connection alone, and gone with it; not kept beyond the process.
    tied: bool = False
