"""A SIP technology as calls see it. Calls cross between those of one server, each of which has a stack, transports and
endpoints of its own: a party is looked for, and spoken to, by its own technology.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.exchange import Exchanges
from switchroom.tech.sip.proxy.passing import Passing
from switchroom.tech.sip.proxy.targets import Targets

if TYPE_CHECKING:
    from switchroom.tech.sip.proxy.ways import Ways


class Office(NamedTuple):
    """Whose endpoints there are, and what leads to them."""

    technology: str
    directory: Directory
    targets: Targets
    #: Sends to its endpoints, and answers their challenges.
    exchanges: Exchanges
    ways: Ways
    passing: Passing
