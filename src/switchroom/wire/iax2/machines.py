"""The four kinds of calls as data: ``(state, input)`` to ``(state, action)``.

A POKER asks whether a peer is there. A TEXTER brings a text: NEW, (CALLTOKEN, NEW), (AUTHREQ, AUTHREP), ACCEPT, TEXT,
HANGUP. A REGISTRANT registers us elsewhere. A CALLEE is a peer's own call, once it was let in or challenged.

An input without a cell changes nothing: a frame that came late or early; it is acknowledged all the same.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Final


class Role(IntEnum):
    POKER = auto()
    TEXTER = auto()
    REGISTRANT = auto()
    CALLEE = auto()


class State(IntEnum):
    ASKING = auto()
    """The first frame is sent."""
    SPEAKING = auto()
    """The text is sent and not acknowledged yet."""
    CHALLENGED = auto()
    """The peer that calls is to prove who it is."""
    JUDGED = auto()
    """Its proof is with our user."""
    ACCEPTING = auto()
    """Our ACCEPT is not acknowledged yet."""
    OPEN = auto()
    """Texts may come."""
    CLOSING = auto()
    """Our HANGUP or REJECT is not acknowledged yet."""
    OVER = auto()


class Input(IntEnum):
    TOKEN = auto()
    """CALLTOKEN."""
    CHALLENGE = auto()
    """AUTHREQ or REGAUTH."""
    PROOF = auto()
    """AUTHREP."""
    ACCEPTED = auto()
    """ACCEPT."""
    CONFIRMED = auto()
    """REGACK."""
    REFUSED = auto()
    """REJECT, REGREJ or HANGUP."""
    TEXT = auto()
    PONG = auto()
    SETTLED = auto()
    """All that we sent is acknowledged."""
    LOST = auto()
    """A frame of ours is not acknowledged, the call is not known there, or the network refuses."""
    EXPIRED = auto()
    """The time for the whole call is over."""


class Action(IntEnum):
    BEGIN_AGAIN = auto()
    """Sends the first frame anew, with the call token."""
    PROVE = auto()
    """Answers the challenge."""
    SPEAK = auto()
    """Sends the text."""
    DELIVERED = auto()
    """Tells that the text has come, and hangs up."""
    FAIL = auto()
    """Tells that it came to nothing."""
    GIVE_UP = auto()
    """The same, and hangs up."""
    REGISTERED = auto()
    """Tells that we are registered."""
    ALIVE = auto()
    """Tells that the peer answered."""
    JUDGE = auto()
    """Shows the proof to our user."""
    ANSWER = auto()
    """Answers a call whose peer has seen our ACCEPT."""
    HEAR = auto()
    """Tells of a text."""
    HANG_UP = auto()
    NOTHING = auto()


Cells = dict[tuple[State, Input], tuple[State, Action]]

_POKER: Final[Cells] = {
    (State.ASKING, Input.PONG): (State.OVER, Action.ALIVE),
    (State.ASKING, Input.LOST): (State.OVER, Action.FAIL),
    (State.ASKING, Input.EXPIRED): (State.OVER, Action.FAIL),
}

_TEXTER: Final[Cells] = {
    (State.ASKING, Input.TOKEN): (State.ASKING, Action.BEGIN_AGAIN),
    (State.ASKING, Input.CHALLENGE): (State.ASKING, Action.PROVE),
    (State.ASKING, Input.ACCEPTED): (State.SPEAKING, Action.SPEAK),
    (State.ASKING, Input.REFUSED): (State.OVER, Action.FAIL),
    (State.ASKING, Input.LOST): (State.OVER, Action.FAIL),
    (State.ASKING, Input.EXPIRED): (State.CLOSING, Action.GIVE_UP),
    (State.SPEAKING, Input.SETTLED): (State.CLOSING, Action.DELIVERED),
    (State.SPEAKING, Input.REFUSED): (State.OVER, Action.FAIL),
    (State.SPEAKING, Input.LOST): (State.OVER, Action.FAIL),
    (State.SPEAKING, Input.EXPIRED): (State.CLOSING, Action.GIVE_UP),
    (State.CLOSING, Input.SETTLED): (State.OVER, Action.NOTHING),
    (State.CLOSING, Input.REFUSED): (State.OVER, Action.NOTHING),
    (State.CLOSING, Input.LOST): (State.OVER, Action.NOTHING),
    (State.CLOSING, Input.EXPIRED): (State.OVER, Action.NOTHING),
}

_REGISTRANT: Final[Cells] = {
    (State.ASKING, Input.TOKEN): (State.ASKING, Action.BEGIN_AGAIN),
    (State.ASKING, Input.CHALLENGE): (State.ASKING, Action.PROVE),
    (State.ASKING, Input.CONFIRMED): (State.OVER, Action.REGISTERED),
    (State.ASKING, Input.REFUSED): (State.OVER, Action.FAIL),
    (State.ASKING, Input.LOST): (State.OVER, Action.FAIL),
    (State.ASKING, Input.EXPIRED): (State.OVER, Action.FAIL),
}

_CALLEE: Final[Cells] = {
    (State.CHALLENGED, Input.PROOF): (State.JUDGED, Action.JUDGE),
    (State.CHALLENGED, Input.REFUSED): (State.OVER, Action.NOTHING),
    (State.CHALLENGED, Input.LOST): (State.OVER, Action.NOTHING),
    (State.CHALLENGED, Input.EXPIRED): (State.OVER, Action.NOTHING),
    (State.JUDGED, Input.REFUSED): (State.OVER, Action.NOTHING),
    (State.JUDGED, Input.LOST): (State.OVER, Action.NOTHING),
    (State.JUDGED, Input.EXPIRED): (State.OVER, Action.NOTHING),
    (State.ACCEPTING, Input.SETTLED): (State.OPEN, Action.ANSWER),
    (State.ACCEPTING, Input.REFUSED): (State.OVER, Action.NOTHING),
    (State.ACCEPTING, Input.LOST): (State.OVER, Action.NOTHING),
    (State.ACCEPTING, Input.EXPIRED): (State.OVER, Action.NOTHING),
    (State.OPEN, Input.TEXT): (State.OPEN, Action.HEAR),
    (State.OPEN, Input.REFUSED): (State.OVER, Action.NOTHING),
    (State.OPEN, Input.LOST): (State.OVER, Action.NOTHING),
    (State.OPEN, Input.EXPIRED): (State.CLOSING, Action.HANG_UP),
    (State.CLOSING, Input.SETTLED): (State.OVER, Action.NOTHING),
    (State.CLOSING, Input.REFUSED): (State.OVER, Action.NOTHING),
    (State.CLOSING, Input.LOST): (State.OVER, Action.NOTHING),
    (State.CLOSING, Input.EXPIRED): (State.OVER, Action.NOTHING),
}

MACHINES: Final[dict[Role, Cells]] = {
    Role.POKER: _POKER,
    Role.TEXTER: _TEXTER,
    Role.REGISTRANT: _REGISTRANT,
    Role.CALLEE: _CALLEE,
}
