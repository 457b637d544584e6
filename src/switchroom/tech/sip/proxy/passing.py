"""What of a request goes on, and what is written anew or ends here (RFC 3261 16.4, 16.6)."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest

from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.limits import MAX_BREADTH, MAX_HOPS
from switchroom.tech.sip.proxy.branch import Header
from switchroom.tech.sip.transports import Transports, is_address
from switchroom.wire.sip.digest import parse_credentials
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import parse_name_addr, parse_number
from switchroom.wire.sip.message import Request

#: Headers that are written anew, or end here.
_OURS = frozenset({"via", "route", "max-forwards", "max-breadth", "content-length", "p-asserted-identity"})
_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})


class Passing:
    """The headers of requests that are passed on."""

    def __init__(self, directory: Directory, transports: Transports) -> None:
        self._directory = directory
        self._transports = transports

    def carried(self, request: Request, sender: SipEndpointSettings) -> list[Header]:
        """The headers that go on as they came, in their order."""
        return [
            (name, value)
            for key, name, value in request.fields
            if key not in _OURS and not (key in _CREDENTIALS and self._is_for_us(value, sender))
        ]

    def _is_for_us(self, value: str, sender: SipEndpointSettings) -> bool:
        """Whether credentials are for a realm of ours: they go no further (RFC 3261 22.3)."""
        try:
            realm = parse_credentials(value).realm
        except SipError:
            return False
        return any(credential.realm == realm for credential in self._directory.credentials(sender))

    def routes_left(self, request: Request, token: str, *, home: bool = False) -> list[str]:
        """The Route values that are left for others (16.4). There are two of ours where a dialog changes transports.

        ``home``: the first may also be the name the sender knows this server by, as it stands in From or Request-URI:
        phones write their outbound proxy so. The request goes nowhere else for it.
        """
        lines = request.lines("route")
        if not lines or (len(lines) == 1 and "," not in lines[0] and lines[0].startswith(f"<sip:{token}@") and token):
            return []
        routes = request.all("route")
        for _ in range(2):
            if not routes:
                break
            uri = parse_name_addr(routes[0]).uri
            ours = token and same(uri.user or "", token)
            homely = home and uri.host in (request.from_.uri.host, request.uri.host) and not is_address(uri.host)
            if not ours and not homely and not self._transports.names_us(uri):
                break
            del routes[0]
            home = False
        return routes


def same(shown: str, token: str) -> bool:
    """Whether somebody shows this secret; takes as long for any other."""
    return compare_digest(shown.encode("utf-8", "surrogateescape"), token.encode())


def strange_routes(left: Sequence[str], known: Sequence[str] = ()) -> bool:
    """Whether a Route leads where no dialog of ours does: nobody is relayed there."""
    if not left:
        return False
    if not known:
        return True
    there, here = parse_name_addr(left[0]).uri, parse_name_addr(known[0]).uri
    return (there.host, there.port) != (here.host, here.port)


def breadth_of(request: Request) -> int:
    """RFC 5393 5.3.3.1: what is left of Max-Breadth."""
    text = request.first("max-breadth")
    return MAX_BREADTH if text is None else min(MAX_BREADTH, parse_number(text, "Max-Breadth"))


def hops(request: Request, breadth: int) -> list[Header]:
    """Max-Forwards one less, and Max-Breadth as it is shared out; 0: as it came."""
    left = request.max_forwards
    headers = [("Max-Forwards", str(MAX_HOPS if left is None else left - 1))]
    shown = request.first("max-breadth") if not breadth else str(breadth)
    if shown is not None:
        headers.append(("Max-Breadth", shown))
    return headers
