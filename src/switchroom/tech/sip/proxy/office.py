"""A SIP technology as calls see it. Calls and referrals cross between those of one server, each of which has a stack,
transports and endpoints of its own: a party is looked for, and spoken to, by its own technology.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchanges
from switchroom.tech.sip.proxy.passing import Passing
from switchroom.tech.sip.proxy.targets import Targets
from switchroom.tech.sip.transports import Transports
from switchroom.wire.sip.uri import Uri

if TYPE_CHECKING:
    from switchroom.tech.sip.proxy.ways import Ways


class Office(NamedTuple):
    """Whose endpoints there are, and what leads to them."""

    technology: str
    directory: Directory
    targets: Targets
    #: Where it is spoken to.
    transports: Transports
    #: Sends to its endpoints, and answers their challenges.
    exchanges: Exchanges
    ways: Ways
    passing: Passing


def in_turn(offices: Iterable[Office], nearest: Office, uri: Uri) -> list[Office]:
    """The offices in the order in which a URI is looked for: the nearest one first, unless the URI is the GRUU of a
    device elsewhere.
    """
    ordered = [nearest, *(office for office in offices if office is not nearest)]
    ordered.sort(key=lambda office: not office.targets.is_device(uri))
    return ordered
