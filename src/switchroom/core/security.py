"""Security events: what somebody tried that they may not, a line each in the log, for people and for programs
that keep such sources away (docs/observation.md).

A flood of them must not fill the disk: of each source, and in all, there are few lines a minute, and what was left
out is told as a number. The lines are written after the answer has left, so that no answer is later for a name that
does not exist (SECURITY.md S10).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import structlog

from switchroom.core.limits import MAX_ACCOUNT, SECURITY_LINES, SECURITY_LINES_PER_SOURCE, SECURITY_WINDOW
from switchroom.core.ports import Alarm, Clock, Timers

log = structlog.get_logger(__name__)


class Offence(StrEnum):
    """The kinds of security events; filters know them by these names."""

    #: A name nobody here has, or that may not come from this source.
    UNKNOWN_USER = "unknown_user"
    #: A wrong password.
    FAILED_AUTHENTICATION = "failed_authentication"
    #: Wrong so often that no more is looked at for a while.
    TOO_MANY_FAILURES = "too_many_failures"
    #: An access list forbids the source.
    SOURCE_REFUSED = "source_refused"
    #: More connections than one source, or all, may have.
    TOO_MANY_CONNECTIONS = "too_many_connections"
    #: A web page that is not ours used a browser's credentials.
    FOREIGN_PAGE = "foreign_page"
    #: A referral to what nobody may be referred to.
    REFUSED_REFER_TO = "refused_refer_to"


class _Event(NamedTuple):
    offence: Offence
    source: str
    service: str
    account: str


class SecurityLog:
    """Writes security events within bounds, and counts all of them."""

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        #: All there were, by kind.
        self.counts = dict.fromkeys(Offence, 0)
        #: Those that are in no line.
        self.left_out = 0
        self._waiting: list[_Event] = []
        #: Of this window: lines in all and by source, and how many events have none.
        self._ends = 0.0
        self._lines = 0
        self._by_source: dict[str, int] = {}
        self._quiet = 0
        self._alarm: Alarm | None = None

    def tell(self, offence: Offence, source: str, service: str, account: str = "") -> None:
        """Somebody at ``source`` (a host) offended against ``service`` (``PJSIP``, ``ARI``), as ``account``."""
        self.counts[offence] += 1
        now = self._clock.monotonic()
        if now >= self._ends:
            self._begin(now)
        lines = self._by_source.get(source, 0)
        if self._lines >= SECURITY_LINES or lines >= SECURITY_LINES_PER_SOURCE:
            self.left_out += 1
            self._quiet += 1
            if self._alarm is None:
                self._alarm = self._timers.call_later(self._ends - now, self._end)
            return
        self._lines += 1
        self._by_source[source] = lines + 1
        if not self._waiting:
            self._timers.call_later(0.0, self._write)
        self._waiting.append(_Event(offence, source, service, account[:MAX_ACCOUNT]))

    def _begin(self, now: float) -> None:
        self._end()
        self._ends = now + SECURITY_WINDOW
        self._lines = 0
        self._by_source.clear()

    def _end(self) -> None:
        """Tells what the window left out."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._quiet:
            log.warning("security events were left out", count=self._quiet, seconds=int(SECURITY_WINDOW))
            self._quiet = 0

    def _write(self) -> None:
        """What a stranger chose comes last, so that it can not be taken for anything before it."""
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            log.warning(
                "security event",
                offence=event.offence.value,
                source=event.source,
                service=event.service,
                account=event.account,
            )
