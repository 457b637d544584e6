"""Messages that wait: ids alone, read back when it is their turn."""

from __future__ import annotations

from support.messages_world import ListJournal
from support.virtual import VirtualClock, VirtualTimers, settle
from switchroom.core.limits import READ_RETRY
from switchroom.core.schedule import Schedule
from switchroom.core.storage import StoreUnavailable
from switchroom.core.waiting import Opened, Waiting
from switchroom.model.record import MessageRecord, MessageState

BOB = ("PJSIP", "bob")
CAROL = ("PJSIP", "carol")


class Bench:
    """A queue over a journal; ``opened`` are the ids that got their turn."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = VirtualTimers(self.clock)
        self.journal = ListJournal()
        self.room = 100
        self.reachable = True
        self.opened: list[str] = []
        self.passed: list[tuple[str, str]] = []
        schedule = Schedule(self.clock, self.timers)
        self.waiting = Waiting(
            self.journal, schedule, self.clock, lambda key: self.room > 0, self.open, self.passed.append
        )

    def open(self, record: MessageRecord) -> Opened:
        if not self.reachable:
            return Opened.NOWHERE
        self.room -= 1
        self.opened.append(record.id)
        return Opened.YES

    async def keep(self, *ids: str, key: tuple[str, str] = BOB) -> None:
        for message_id in ids:
            record = MessageRecord(
                id=message_id, technology=key[0], destination=key[1], sender="a", body="b", created=0.0, expires=1e9
            )
            await self.journal.accept(record)
            self.waiting.add(key, message_id, record.sequence)


async def test_in_order_as_far_as_there_is_room() -> None:
    bench = Bench()
    await bench.keep("1", "2", "3", "4")
    bench.room = 2
    bench.waiting.flush(BOB)
    await settle()
    assert bench.opened == ["1", "2"]
    assert bench.waiting.count(BOB) == 2
    bench.room = 5
    bench.waiting.flush(BOB)
    await settle()
    assert bench.opened == ["1", "2", "3", "4"]
    assert len(bench.waiting) == 0


async def test_the_first_stays_first_when_there_is_nowhere_to_send_it() -> None:
    bench = Bench()
    await bench.keep("1", "2", "3")
    bench.reachable = False
    bench.waiting.flush(BOB)
    await settle()
    assert bench.journal.finds == 1
    bench.reachable = True
    bench.waiting.flush(BOB)
    await settle()
    assert bench.opened == ["1", "2", "3"]


async def test_what_comes_back_goes_to_its_place() -> None:
    bench = Bench()
    await bench.keep("1", "2", "3")
    assert bench.waiting.remove(BOB, "2")
    assert bench.waiting.remove(BOB, "1")
    assert not bench.waiting.remove(BOB, "1")
    assert not bench.waiting.remove(CAROL, "3")
    bench.waiting.add(BOB, "2", 2)
    bench.waiting.add(BOB, "1", 1)
    bench.waiting.flush(BOB)
    await settle()
    assert bench.opened == ["1", "2", "3"]


async def test_destinations_do_not_wait_for_each_other() -> None:
    bench = Bench()
    await bench.keep("b1", "b2")
    await bench.keep("c1", key=CAROL)
    bench.waiting.flush(CAROL)
    await settle()
    assert bench.opened == ["c1"]
    assert bench.waiting.count(BOB) == 2


async def test_one_that_leaves_while_it_is_read_is_not_opened() -> None:
    bench = Bench()
    await bench.keep("1", "2")
    bench.waiting.flush(BOB)
    bench.waiting.remove(BOB, "1")
    await settle()
    assert bench.opened == ["2"]


async def test_a_flush_while_one_is_running_is_not_lost() -> None:
    bench = Bench()
    await bench.keep("1")
    bench.reachable = False
    bench.waiting.flush(BOB)
    bench.waiting.flush(BOB)
    bench.reachable = True
    await settle()
    assert bench.opened == ["1"]


async def test_one_that_ended_or_is_unknown_is_passed_over() -> None:
    bench = Bench()
    await bench.keep("1", "2", "3")
    ended = await bench.journal.find("1")
    assert ended is not None
    ended.state = MessageState.CANCELLED
    bench.journal.update(ended)
    bench.waiting.add(BOB, "never", 9)
    bench.waiting.flush(BOB)
    await settle()
    assert bench.opened == ["2", "3"]


async def test_a_journal_that_can_not_be_read_is_read_again() -> None:
    bench = Bench()
    await bench.keep("1")
    found = bench.journal.find
    failures = iter([True, True])

    async def find(message_id: str) -> MessageRecord | None:
        if next(failures, False):
            raise StoreUnavailable("locked")
        return await found(message_id)

    bench.journal.find = find  # type: ignore[method-assign]
    bench.waiting.flush(BOB)
    await bench.timers.pass_time(READ_RETRY)
    assert bench.opened == []
    await bench.timers.pass_time(READ_RETRY)
    assert bench.opened == ["1"]


async def test_nothing_is_read_after_the_stop() -> None:
    bench = Bench()
    await bench.keep("1")
    bench.waiting.flush(BOB)
    await bench.waiting.stop()
    bench.waiting.flush(BOB)
    await settle()
    assert bench.opened == []
