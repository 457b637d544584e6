"""Who calls, as we vouch for it: P-Asserted-Identity (RFC 3325)."""

from __future__ import annotations

from collections.abc import Iterable

from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.exchange import NextHop
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import Uri, escape_user

HEADER = "P-Asserted-Identity"
NOBODYS = frozenset({HEADER.lower()})


def asserted(
    request: Request, caller: SipEndpointSettings, callee: SipEndpointSettings, hop: NextHop
) -> list[tuple[str, str]]:
    """The headers that tell a called endpoint who calls, where it is to know (``send_pai``).

    What a caller says itself is passed on when it is believed (``trust_id_inbound``); of any other it is the endpoint
    that proved itself. Who asks for privacy is not told of (section 9.3).
    """
    if not callee.send_pai or _is_private(request):
        return []
    if caller.trust_id_inbound:
        return [(HEADER, value) for value in request.lines(HEADER.lower())]
    host = hop.listener.own_host(hop.host)
    return [(HEADER, str(NameAddr(caller.callerid_name, Uri("sip", escape_user(caller.name), None, host), {})))]


def withheld(caller: SipEndpointSettings, callees: Iterable[SipEndpointSettings]) -> frozenset[str]:
    """The keys of headers in an answer of ``callees`` that ``caller`` is not shown."""
    return frozenset() if caller.send_pai and all(callee.trust_id_inbound for callee in callees) else NOBODYS


def _is_private(request: Request) -> bool:
    return any(part.strip().lower() == "id" for value in request.lines("privacy") for part in value.split(";"))
