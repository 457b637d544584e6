"""Security events: a line each, in few lines however many there are, and none is uncounted."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from support.virtual import VirtualClock, VirtualTimers
from switchroom.core.limits import MAX_ACCOUNT, SECURITY_LINES, SECURITY_LINES_PER_SOURCE, SECURITY_WINDOW
from switchroom.core.security import Offence, SecurityLog


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.log = SecurityLog(self.clock, self.timers)

    def offend(self, source: str, times: int = 1, account: str = "") -> None:
        for _ in range(times):
            self.log.tell(Offence.UNKNOWN_USER, source, "PJSIP", account)


async def test_an_event_is_a_line_with_the_strangers_words_last() -> None:
    w = World()
    with capture_logs() as lines:
        w.offend("192.0.2.7", account="alice")
        assert lines == []  # the answer leaves first
        await w.timers.pass_time(0.0)
    (line,) = lines
    assert list(line) == ["offence", "source", "service", "account", "event", "log_level"]
    assert line == {
        "offence": "unknown_user",
        "source": "192.0.2.7",
        "service": "PJSIP",
        "account": "alice",
        "event": "security event",
        "log_level": "warning",
    }


async def test_one_source_has_few_lines_and_takes_none_from_others() -> None:
    w = World()
    with capture_logs() as lines:
        w.offend("192.0.2.7", SECURITY_LINES_PER_SOURCE + 5)
        w.offend("192.0.2.8")
        await w.timers.pass_time(1.0)
        assert [line["source"] for line in lines] == ["192.0.2.7"] * SECURITY_LINES_PER_SOURCE + ["192.0.2.8"]
        await w.timers.pass_time(SECURITY_WINDOW)
    assert lines[-1] == {
        "event": "security events were left out",
        "count": 5,
        "seconds": int(SECURITY_WINDOW),
        "log_level": "warning",
    }
    assert w.log.left_out == 5
    assert w.log.counts[Offence.UNKNOWN_USER] == SECURITY_LINES_PER_SOURCE + 6


async def test_forged_sources_do_not_fill_the_disk_or_the_memory() -> None:
    w = World()
    with capture_logs() as lines:
        for number in range(10 * SECURITY_LINES):
            w.offend(f"192.0.{number // 250}.{number % 250}")
        await w.timers.pass_time(2 * SECURITY_WINDOW)
    assert len(lines) == SECURITY_LINES + 1
    assert lines[-1]["count"] == 9 * SECURITY_LINES
    assert len(w.log._by_source) == SECURITY_LINES


async def test_each_window_begins_anew() -> None:
    w = World()
    with capture_logs() as lines:
        w.offend("192.0.2.7", SECURITY_LINES_PER_SOURCE + 1)
        await w.timers.pass_time(SECURITY_WINDOW + 1)
        w.offend("192.0.2.7")
        await w.timers.pass_time(3 * SECURITY_WINDOW)
    events = [line["event"] for line in lines]
    assert events.count("security event") == SECURITY_LINES_PER_SOURCE + 1
    assert events.count("security events were left out") == 1


async def test_what_is_left_out_is_told_once_when_the_next_event_is_first() -> None:
    """A loop that comes late to the end of the window."""
    w = World()
    with capture_logs() as lines:
        w.offend("192.0.2.7", SECURITY_LINES_PER_SOURCE + 3)
        w.clock.now += SECURITY_WINDOW
        w.offend("192.0.2.7")
        await w.timers.pass_time(3 * SECURITY_WINDOW)
    assert [line["count"] for line in lines if "count" in line] == [3]


@pytest.mark.parametrize("account", ["x" * 10_000, "☎" * 10_000])
async def test_a_name_is_cut(account: str) -> None:
    w = World()
    with capture_logs() as lines:
        w.offend("192.0.2.7", account=account)
        await w.timers.pass_time(0.0)
    assert lines[0]["account"] == account[:MAX_ACCOUNT]
