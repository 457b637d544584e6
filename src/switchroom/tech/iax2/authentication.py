"""Who may: call tokens, access lists, secrets, and how often somebody may be wrong.

A stranger, a name that does not register and an address that is not permitted get the same challenge as everybody,
and the same refusal after it (SECURITY.md S10).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address

import structlog

from switchroom.core.security import Offence
from switchroom.model.iax2_settings import IaxSettings
from switchroom.tech.iax2.limits import (
    FAILURE_WINDOW,
    MAX_COUNTED_NAME,
    MAX_FAILURE_ENTRIES,
    MAX_FAILURES,
    MAX_LOGGED_REFUSALS,
)
from switchroom.tech.iax2.peers import Peer
from switchroom.wire.iax2.authentication import Proof
from switchroom.wire.iax2.numbers import MD5

log = structlog.get_logger(__name__)

#: Tells of an offence: what, the source, the name that was used.
Tell = Callable[[Offence, str, str], None]


def untold(offence: Offence, source: str, account: str) -> None:
    """Nobody wants to know."""


class Authenticator:
    """The judgement of one technology."""

    def __init__(self, settings: IaxSettings, tell: Tell) -> None:
        self._tell = tell
        self._exempt = settings.call_token_optional
        #: When the first failure was, and how many there are.
        self._failures: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        #: Refusals logged in this second.
        self._second = 0
        self._logged = 0

    def refused(self, what: str, name: str, host: str, now: float) -> None:
        """Logs a refusal, unless there were many of late."""
        if int(now) != self._second:
            self._second, self._logged = int(now), 0
        self._logged += 1
        if self._logged <= MAX_LOGGED_REFUSALS:
            log.info(f"a {what} is refused", name=_shown(name), host=host)

    def needs_token(self, peer: Peer | None, host: str) -> bool:
        """Whether somebody at ``host`` who says to be ``peer`` must show a call token."""
        wanted = peer.settings.call_token if peer is not None else ""
        if wanted == "auto":
            assert peer is not None
            return peer.token_seen
        if wanted:
            return wanted == "yes"
        return not self._is_exempt(host)

    def _is_exempt(self, host: str) -> bool:
        if not self._exempt:
            return False
        address = ip_address(host.partition("%")[0])
        return any(address.version == network.version and address in network for network in self._exempt)

    def methods(self, peer: Peer | None) -> int:
        """What to challenge with, bits of AUTH_METHODS."""
        return peer.methods if peer is not None and peer.methods else MD5

    def proves(self, peer: Peer | None, name: str, host: str, proof: Proof, now: float) -> bool:
        """Whether the proof is the peer's; failures are counted."""
        key = (host, name[:MAX_COUNTED_NAME])
        since, count = self._failures.get(key, (now, 0))
        if now - since > FAILURE_WINDOW:
            since, count = now, 0
        if count >= MAX_FAILURES:
            self._tell(Offence.TOO_MANY_FAILURES, host, _shown(name))
            return False
        # The same work for a name that does not exist.
        secrets, methods = (peer.settings.secrets, peer.methods) if peer is not None else (("",), MD5)
        if proof.shows(secrets, methods) and peer is not None:
            self._failures.pop(key, None)
            return True
        if key not in self._failures and len(self._failures) >= MAX_FAILURE_ENTRIES:
            self._failures.popitem(last=False)
        self._failures[key] = (since, count + 1)
        self._tell(Offence.UNKNOWN_USER if peer is None else Offence.FAILED_AUTHENTICATION, host, _shown(name))
        return False


def _shown(name: str) -> str:
    """A name a stranger chose, as it may stand in a log."""
    return name[:MAX_COUNTED_NAME].encode("unicode_escape").decode()
