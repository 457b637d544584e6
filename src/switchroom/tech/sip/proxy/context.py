"""The answers to a request that was passed on, and which of them goes back (RFC 3261 16.7 to 16.10).

A ``ResponseContext`` lives from the moment a request is passed on until every branch has ended. What an answer means
for the call it belongs to is decided in ``dialogs``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from switchroom.core.ports import Clock
from switchroom.core.schedule import Deadline, Schedule
from switchroom.core.tally import Answers
from switchroom.model.errors import InvalidParameter
from switchroom.tech.sip.answer import Answer
from switchroom.tech.sip.exchange import Outcome
from switchroom.tech.sip.limits import MAX_CHALLENGES, TIMER_C
from switchroom.tech.sip.proxy.branch import Branch
from switchroom.tech.sip.proxy.identity import NOBODYS
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Response
from switchroom.wire.sip.stack import Stack
from switchroom.wire.sip.write import write_forwarded

#: Of one class the caller can do most with these (16.7 step 6).
_TELLING = frozenset({401, 407, 415, 420, 484})
_CHALLENGES = {"www-authenticate": "WWW-Authenticate", "proxy-authenticate": "Proxy-Authenticate"}


class Means(NamedTuple):
    """What response contexts work with."""

    stack: Stack
    schedule: Schedule
    clock: Clock
    #: Makes an answer of our own; ``flush`` sends what was made, where no packet that came in is the reason.
    answer: Callable[[RequestReceived, Answer], None]
    flush: Callable[[], None]
    #: Counts the final answers of others; it counts our own itself.
    answers: Answers
    #: Seconds after which nobody answers any more (64*T1).
    patience: float


class ResponseContext:
    """One request on its way, with all its branches."""

    __slots__ = (
        "_best",
        "_challenges",
        "_deadline",
        "_means",
        "_waiting",
        "cancelled",
        "final",
        "incoming",
        "open",
        "released",
        "vias",
        "withheld",
    )

    def __init__(self, means: Means, incoming: RequestReceived, vias: Sequence[str]) -> None:
        """``vias`` are those of the request, as they go on and come back."""
        self._means = means
        self.incoming = incoming
        self.vias = vias
        #: Branches without a final answer, and those that are begun when one of these fails.
        self.open: set[Branch] = set()
        self._waiting: list[Branch] = []
        self._best: Outcome | None = None
        self._challenges: list[tuple[str, str]] = []
        self._deadline: Deadline | None = None
        #: The final answer that was given; 0: none yet.
        self.final = 0
        self.cancelled = False
        #: Keys of headers in answers that go no further.
        self.withheld = NOBODYS
        #: Told once, when the last branch has ended.
        self.released: Callable[[ResponseContext], None] = _nothing

    # ---- what its kind makes of an answer

    def heard(self, branch: Branch, response: Response, flow: Flow) -> None:
        """A provisional answer but 100, or a 2xx, which goes back right after this."""

    def failed(self, branch: Branch, outcome: Outcome) -> None:
        """A branch ended without a 2xx."""

    def more(self, branch: Branch, outcome: Outcome) -> Sequence[Branch]:
        """Where the request is to go instead of a branch that ended without a 2xx (16.7 step 4)."""
        return ()

    def over(self) -> None:
        """Every branch has ended."""

    # ---- sending

    def begin(self, branches: Sequence[Branch], *, serial: bool = False) -> None:
        """Sends all branches at once, or (``serial``) each when the one before it has failed."""
        first, self._waiting = (branches[:1], list(branches[1:])) if serial else (branches, [])
        self.open.update(first)
        for branch in first:
            self._start(branch)

    def _start(self, branch: Branch) -> None:
        if branch.method == "INVITE":
            self._expect(branch, TIMER_C)
        exchanges = branch.office.exchanges
        try:
            # On TCP where it is large for a datagram, and TCP is wanted.
            exchanges.fitted(branch)
        except InvalidParameter:
            self._ended(branch, Outcome(513, "Message Too Large"))
            return
        exchanges.start(branch, partial(self._ended, branch))

    # ---- answers

    def provisional(self, branch: Branch, response: Response, flow: Flow) -> None:
        """A 1xx: all but 100 go back (16.7 step 5)."""
        if response.status == 100:
            return
        if branch.method == "INVITE" and not branch.cancelling:
            branch.expected_by = self._means.clock.monotonic() + TIMER_C
        self.heard(branch, response, flow)
        if not self.final:
            self._pass_back(response)

    def success(self, branch: Branch, response: Response, flow: Flow) -> None:
        """A 2xx: goes back at once, however many there are; nobody else needs to answer any more (16.7 steps 5, 10)."""
        self.heard(branch, response, flow)
        first = not self.final
        self.final = response.status
        self._pass_back(response)
        if first:
            self._call_off(branch)

    def flush_after(self, means: Means) -> None:
        """Sends what goes back, when the answer came in at another technology (``means``), which sends but its own."""
        if means is not self._means:
            self._means.flush()

    def _pass_back(self, response: Response, extra: Sequence[tuple[str, str]] = ()) -> None:
        data = write_forwarded(response, self.vias, extra=extra, without=self.withheld)
        if response.status >= 200:
            self._means.answers.add(self.incoming.request.method, response.status)
        self._means.stack.answer(self.incoming, response.status, data, self._means.clock.monotonic())

    def _ended(self, branch: Branch, outcome: Outcome) -> None:
        """A branch has its final answer, or will never have one (408: nobody answered, 503: it could not be sent)."""
        self.open.discard(branch)
        if not outcome.success:
            self.failed(branch, outcome)
            self._weigh(branch, outcome)
            if outcome.status >= 600:
                self._call_off(branch)
            elif not (self.final or self.cancelled):
                for further in self.more(branch, outcome):
                    self.open.add(further)
                    self._start(further)
        while not self.open and self._waiting:
            following = self._waiting.pop(0)
            self.open.add(following)
            self._start(following)
        if not self.open:
            self._conclude()
        if outcome.response is None:
            self._means.flush()

    def _weigh(self, branch: Branch, outcome: Outcome) -> None:
        response = outcome.response
        if response is None and outcome.status == 503 and branch.hop.bound:
            outcome = Outcome(430, "Flow Failed")
        elif outcome.status == 487 and branch.cancelling and not self.cancelled:
            outcome = Outcome(408, "Request Timeout")  # we gave it up, not the sender (16.8)
        elif response is None and self.cancelled:
            outcome = Outcome(487, "Request Terminated")
        if response is not None and outcome.status in (401, 407):
            self._challenges += [(_CHALLENGES[key], value) for key, _, value in response.fields if key in _CHALLENGES]
        if self._best is None or _rank(outcome) < _rank(self._best):
            self._best = outcome

    def _conclude(self) -> None:
        """No branch is left: the best answer goes back, unless one did."""
        if self._deadline is not None:
            self._means.schedule.cancel(self._deadline)
            self._deadline = None
        released, self.released = self.released, _nothing
        released(self)
        best = self._best
        if not self.final and best is not None:
            self.final = best.status
            self._give(best)
        self.over()

    def _give(self, best: Outcome) -> None:
        response = best.response
        if response is None or best.status == 503:
            # A 503 would be about us (16.7 step 6); a dead flow is ours to know of (RFC 5626 section 7).
            status = {503: 500, 430: 430 if self.incoming.request.to.tag else 480}.get(best.status, best.status)
            self._means.answer(self.incoming, Answer(status))
            return
        extra: Sequence[tuple[str, str]] = ()
        if best.status in (401, 407) and self._challenges:
            own = response.lines("www-authenticate") + response.lines("proxy-authenticate")
            extra = [(name, value) for name, value in self._challenges if value not in own]
        self._pass_back(response, extra)

    # ---- ending it

    def cancel(self) -> None:
        """The sender gives up (16.10)."""
        self.cancelled = True
        self._call_off(None)

    def _call_off(self, spared: Branch | None) -> None:
        self._waiting.clear()
        for branch in list(self.open):
            if branch is not spared:
                self._cancel(branch)

    def _cancel(self, branch: Branch) -> None:
        if branch.method != "INVITE" or branch.cancelling:
            return
        branch.cancelling = True
        # Neither another address nor an answer to a challenge any more.
        branch.addresses = branch.addresses[:1]
        branch.rounds = MAX_CHALLENGES
        if branch.transaction is None:
            branch.office.exchanges.abandon(branch)
            self._ended(branch, Outcome(487, "Request Terminated"))
        else:
            branch.office.exchanges.cancel(branch)
            # RFC 3261 9.1: a server that knows no CANCEL may never answer the INVITE.
            self._expect(branch, self._means.patience)

    def _expect(self, branch: Branch, seconds: float) -> None:
        branch.expected_by = self._means.clock.monotonic() + seconds
        deadline = self._deadline
        if deadline is None or deadline.action is None or deadline.when > branch.expected_by:
            if deadline is not None:
                self._means.schedule.cancel(deadline)
            self._deadline = self._means.schedule.at(branch.expected_by, self._look)

    def _look(self, now: float) -> None:
        """Timer C (16.8), and the end of waiting for what was cancelled."""
        self._deadline = None
        for branch in [branch for branch in self.open if branch.expected_by <= now]:
            if not branch.cancelling:
                self._cancel(branch)
            else:
                branch.office.exchanges.abandon(branch)
                self._ended(branch, Outcome(408, "Request Timeout"))
        if self.open and self._deadline is None:
            when = min(branch.expected_by for branch in self.open)
            self._deadline = self._means.schedule.at(when, self._look)


def _nothing(context: ResponseContext) -> None:
    """Nobody wants to know."""


def _rank(outcome: Outcome) -> tuple[int, bool, bool]:
    """What is forwarded first (16.7 step 6): a 6xx, then the lowest class, then what the sender can do something about;
    what we made ourselves after what somebody said.
    """
    status = outcome.status
    if status >= 600:
        return (0, False, False)
    return (status // 100, status not in _TELLING, outcome.response is None)
