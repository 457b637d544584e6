"""The four transaction machines as data: ``(state, input)`` to ``(state, action)``.

RFC 3261 section 17, with RFC 6026 (the Accepted state: a 2xx to an INVITE does not end its transactions) and
RFC 4320 (a server that can not answer a non-INVITE in time says nothing instead of 408).

What can not happen is listed with its reason, so that every cell of every machine is accounted for. Which timers
run in a state is data too. A state that is entered on a reliable transport while its timer is zero is over at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Final


class State(IntEnum):
    """Numbers only because their hash is the fastest; never compared for order."""

    TRYING = auto()
    CALLING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Input(IntEnum):
    """What happens to a transaction. Numbers as in State."""

    REQUEST = auto()
    """The request came again."""
    ACK = auto()
    """An ACK with the branch of the INVITE came."""
    PROVISIONAL = auto()
    """A 1xx: came from the network at a client, from the transaction user at a server."""
    SUCCESS = auto()
    """A 2xx, likewise."""
    FAILURE = auto()
    """A 300 to 699, likewise."""
    TRANSPORT_ERROR = auto()
    """The flow broke."""
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TIMER_TRYING = auto()
    """RFC 4320 4.1: the moment at which a non-INVITE that has no answer gets a 100."""
    TIMER_LATE = auto()
    """RFC 4320 4.2: the client has given up, and the last copy of its request has come."""


class Action(IntEnum):
    """What a transaction does about it. Numbers as in State."""

    NOTHING = auto()
    ABSORB = auto()
    """Drop what came: it was dealt with before."""
    REFUSE = auto()
    """Drop what the transaction user wants to send: its time is over."""
    SEND = auto()
    """Send what the transaction user gave, and keep it for retransmissions."""
    RESEND = auto()
    """Send once more what was sent last; nothing if nothing was."""
    SEND_TRYING = auto()
    """Make and send a 100."""
    DELIVER = auto()
    """Hand what came to the transaction user."""
    DELIVER_AND_ACK = auto()
    """Hand a final response to the transaction user and send its ACK."""
    RESEND_ACK = auto()
    """The final response came again: its ACK was lost."""
    REPORT_TIMEOUT = auto()
    REPORT_FAILURE = auto()


Cell = tuple[State, Input]


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """One of the four."""

    name: str

    first: State
    """The state it is born in."""

    timers: dict[State, tuple[Input | None, Input | None]]
    """Its states but Terminated, which nothing lives in (17.1.1.2), and what runs in each: the timer that sends
    something, and the one that ends the state.
    """

    table: dict[Cell, tuple[State, Action]]

    brief: bool
    """Whether Completed needs no more than a key and the last bytes, and so is kept without timers of its own."""

    def inputs(self) -> set[Input]:
        """Everything that can happen in at least one state."""
        return {happening for _, happening in self.table}

    def impossible(self) -> dict[Cell, str]:
        """The cells that are not in the table because their input can not happen, and why."""
        return {
            (state, timer): f"{timer.name} does not run in {state.name}"
            for state, running in self.timers.items()
            for timer in self.inputs()
            if timer.name.startswith("TIMER_") and timer not in running
        }


#: RFC 3261 17.1.1 (figure 5), RFC 6026 figure 8.
INVITE_CLIENT: Final = Machine(
    name="INVITE client",
    first=State.CALLING,
    timers={
        State.CALLING: (Input.TIMER_A, Input.TIMER_B),
        # The transaction user ends a call that rings too long: Timer C is the proxy's (16.6 step 11).
        State.PROCEEDING: (None, None),
        State.COMPLETED: (None, Input.TIMER_D),
        State.ACCEPTED: (None, Input.TIMER_M),
    },
    table={
        (State.CALLING, Input.TIMER_A): (State.CALLING, Action.RESEND),
        (State.CALLING, Input.TIMER_B): (State.TERMINATED, Action.REPORT_TIMEOUT),
        (State.CALLING, Input.PROVISIONAL): (State.PROCEEDING, Action.DELIVER),
        (State.CALLING, Input.SUCCESS): (State.ACCEPTED, Action.DELIVER),
        (State.CALLING, Input.FAILURE): (State.COMPLETED, Action.DELIVER_AND_ACK),
        (State.CALLING, Input.TRANSPORT_ERROR): (State.TERMINATED, Action.REPORT_FAILURE),
        (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, Action.DELIVER),
        (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, Action.DELIVER),
        (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, Action.DELIVER_AND_ACK),
        (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, Action.REPORT_FAILURE),
        (State.COMPLETED, Input.PROVISIONAL): (State.COMPLETED, Action.ABSORB),
        (State.COMPLETED, Input.SUCCESS): (State.COMPLETED, Action.ABSORB),
        (State.COMPLETED, Input.FAILURE): (State.COMPLETED, Action.RESEND_ACK),
        # The transaction user has its final response; that the ACK was lost is the server's to notice.
        (State.COMPLETED, Input.TRANSPORT_ERROR): (State.TERMINATED, Action.NOTHING),
        (State.COMPLETED, Input.TIMER_D): (State.TERMINATED, Action.NOTHING),
        (State.ACCEPTED, Input.PROVISIONAL): (State.ACCEPTED, Action.ABSORB),
        # RFC 6026 7.2: each 2xx is passed on, so that each gets its ACK.
        (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, Action.DELIVER),
        (State.ACCEPTED, Input.FAILURE): (State.ACCEPTED, Action.ABSORB),
        # 2xx of other forks may still come, by other connections.
        (State.ACCEPTED, Input.TRANSPORT_ERROR): (State.ACCEPTED, Action.NOTHING),
        (State.ACCEPTED, Input.TIMER_M): (State.TERMINATED, Action.NOTHING),
    },
    brief=False,
)

#: RFC 3261 17.1.2 (figure 6).
NON_INVITE_CLIENT: Final = Machine(
    name="non-INVITE client",
    first=State.TRYING,
    timers={
        State.TRYING: (Input.TIMER_E, Input.TIMER_F),
        State.PROCEEDING: (Input.TIMER_E, Input.TIMER_F),
        State.COMPLETED: (None, Input.TIMER_K),
    },
    table={
        (State.TRYING, Input.TIMER_E): (State.TRYING, Action.RESEND),
        (State.TRYING, Input.TIMER_F): (State.TERMINATED, Action.REPORT_TIMEOUT),
        (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, Action.DELIVER),
        (State.TRYING, Input.SUCCESS): (State.COMPLETED, Action.DELIVER),
        (State.TRYING, Input.FAILURE): (State.COMPLETED, Action.DELIVER),
        (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, Action.REPORT_FAILURE),
        (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, Action.RESEND),
        (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, Action.REPORT_TIMEOUT),
        (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, Action.DELIVER),
        (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, Action.DELIVER),
        (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, Action.DELIVER),
        (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, Action.REPORT_FAILURE),
        (State.COMPLETED, Input.PROVISIONAL): (State.COMPLETED, Action.ABSORB),
        (State.COMPLETED, Input.SUCCESS): (State.COMPLETED, Action.ABSORB),
        (State.COMPLETED, Input.FAILURE): (State.COMPLETED, Action.ABSORB),
        (State.COMPLETED, Input.TRANSPORT_ERROR): (State.COMPLETED, Action.NOTHING),
        (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, Action.NOTHING),
    },
    brief=True,
)

#: RFC 3261 17.2.1 (figure 7), RFC 6026 figure 7. A broken flow changes no server transaction (RFC 6026 7.1: it remains
#: in its state), so it is no input of one.
INVITE_SERVER: Final = Machine(
    name="INVITE server",
    first=State.PROCEEDING,
    timers={
        State.PROCEEDING: (None, None),
        State.COMPLETED: (Input.TIMER_G, Input.TIMER_H),
        State.CONFIRMED: (None, Input.TIMER_I),
        State.ACCEPTED: (None, Input.TIMER_L),
    },
    table={
        (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, Action.RESEND),
        # Before a final response there is nothing to acknowledge.
        (State.PROCEEDING, Input.ACK): (State.PROCEEDING, Action.ABSORB),
        (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, Action.SEND),
        (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, Action.SEND),
        (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, Action.SEND),
        (State.COMPLETED, Input.REQUEST): (State.COMPLETED, Action.RESEND),
        (State.COMPLETED, Input.ACK): (State.CONFIRMED, Action.ABSORB),
        (State.COMPLETED, Input.PROVISIONAL): (State.COMPLETED, Action.REFUSE),
        (State.COMPLETED, Input.SUCCESS): (State.COMPLETED, Action.REFUSE),
        (State.COMPLETED, Input.FAILURE): (State.COMPLETED, Action.REFUSE),
        (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, Action.RESEND),
        # The ACK never came: nothing to be done about it, the call was refused anyway.
        (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, Action.NOTHING),
        (State.CONFIRMED, Input.REQUEST): (State.CONFIRMED, Action.ABSORB),
        (State.CONFIRMED, Input.ACK): (State.CONFIRMED, Action.ABSORB),
        (State.CONFIRMED, Input.PROVISIONAL): (State.CONFIRMED, Action.REFUSE),
        (State.CONFIRMED, Input.SUCCESS): (State.CONFIRMED, Action.REFUSE),
        (State.CONFIRMED, Input.FAILURE): (State.CONFIRMED, Action.REFUSE),
        (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, Action.NOTHING),
        # RFC 6026 7.1: the transaction user repeats the 2xx, the transaction only keeps the INVITE from it.
        (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, Action.ABSORB),
        (State.ACCEPTED, Input.ACK): (State.ACCEPTED, Action.DELIVER),
        (State.ACCEPTED, Input.PROVISIONAL): (State.ACCEPTED, Action.REFUSE),
        (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, Action.SEND),
        (State.ACCEPTED, Input.FAILURE): (State.ACCEPTED, Action.REFUSE),
        (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, Action.NOTHING),
    },
    brief=False,
)

#: RFC 3261 17.2.2 (figure 8), RFC 4320 section 4.
NON_INVITE_SERVER: Final = Machine(
    name="non-INVITE server",
    first=State.TRYING,
    timers={
        State.TRYING: (Input.TIMER_TRYING, Input.TIMER_LATE),
        State.PROCEEDING: (None, Input.TIMER_LATE),
        State.COMPLETED: (None, Input.TIMER_J),
    },
    table={
        (State.TRYING, Input.REQUEST): (State.TRYING, Action.ABSORB),
        (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, Action.SEND),
        (State.TRYING, Input.SUCCESS): (State.COMPLETED, Action.SEND),
        (State.TRYING, Input.FAILURE): (State.COMPLETED, Action.SEND),
        (State.TRYING, Input.TIMER_TRYING): (State.PROCEEDING, Action.SEND_TRYING),
        (State.TRYING, Input.TIMER_LATE): (State.TERMINATED, Action.NOTHING),
        (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, Action.RESEND),
        (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, Action.SEND),
        (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, Action.SEND),
        (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, Action.SEND),
        (State.PROCEEDING, Input.TIMER_LATE): (State.TERMINATED, Action.NOTHING),
        (State.COMPLETED, Input.REQUEST): (State.COMPLETED, Action.RESEND),
        (State.COMPLETED, Input.PROVISIONAL): (State.COMPLETED, Action.REFUSE),
        (State.COMPLETED, Input.SUCCESS): (State.COMPLETED, Action.REFUSE),
        (State.COMPLETED, Input.FAILURE): (State.COMPLETED, Action.REFUSE),
        (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, Action.NOTHING),
    },
    brief=True,
)

MACHINES: Final = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
