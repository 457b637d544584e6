"""Where a party of a dialog is reached: by its route set, the connection it speaks over, or its Contact."""

from __future__ import annotations

from switchroom.model.errors import InvalidParameter
from switchroom.tech.sip.exchange import DEFAULT_PORT, Exchanges, NextHop
from switchroom.tech.sip.proxy.calls import Leg
from switchroom.tech.sip.transports import BROWSERS, Transports, next_host
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.uri import Uri

#: Stands in for a Contact that says nothing of where somebody is.
_NOWHERE = Uri("sip", host="invalid")


class Ways:
    """Finds the next hop towards a leg (RFC 3261 16.6 step 6, as its dialog is ours to know).

    A phone next to us is where it speaks from, whatever its Contact says: behind a NAT, or a browser without an
    address, it is nowhere else. Only another port at the same address is believed. A trunk is where its Contact says.
    """

    def __init__(self, exchanges: Exchanges, transports: Transports) -> None:
        self._exchanges = exchanges
        self._transports = transports

    def to(self, leg: Leg) -> NextHop:
        """The next hop.

        Raises:
            InvalidParameter: the connection is closed and nothing else leads there, or no packet may go there.
        """
        if leg.routes:
            try:
                first = parse_name_addr(leg.routes[0]).uri
            except SipError as error:
                raise InvalidParameter(error.reason) from error
            return self._exchanges.route_within(leg.endpoint, first, None)._replace(routes=leg.routes)
        uri = leg.uri
        if uri is None or not uri.host:
            uri = _NOWHERE
        if leg.direct and (not leg.follows_contact or next_host(uri) == leg.flow.host):
            return self._direct(leg, uri)
        return self._exchanges.route_within(leg.endpoint, uri, None)

    def _direct(self, leg: Leg, uri: Uri) -> NextHop:
        flow = leg.flow
        listener = self._transports.listeners.get(flow.local)
        if listener is None:
            raise InvalidParameter("the listener is gone")
        same = next_host(uri) == flow.host
        if not flow.reliable:
            port = (uri.port or DEFAULT_PORT["udp"]) if same and _is_udp(uri) else flow.port
            if self._transports.is_own("udp", flow.host, port):
                port = flow.port
            return NextHop(listener, uri, (), ((flow.host, port),), loopback=True)
        if listener.connected(flow.host, flow.port):
            return NextHop(listener, uri, (), ((flow.host, flow.port),), loopback=True, bound=True)
        if not same or flow.transport in BROWSERS or uri.port in (None, flow.port):
            raise InvalidParameter("the connection of the party is closed")
        return self._exchanges.route_within(leg.endpoint, uri, None)


def _is_udp(uri: Uri) -> bool:
    return (uri.param("transport") or "udp").lower() == "udp"
