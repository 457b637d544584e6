"""A call: what it is for, how far it is, and what it needs to go on."""

from __future__ import annotations

from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Credentials
from switchroom.wire.iax2.delivery import Delivery
from switchroom.wire.iax2.limits import MAX_TOKENS
from switchroom.wire.iax2.machines import Role, State
from switchroom.wire.iax2.numbers import Command


class Call:
    """One call of a stack, until it is over. Users keep it as a handle and read ``address`` and ``over``."""

    __slots__ = (
        "address",
        "cause",
        "challenge",
        "command",
        "context",
        "credentials",
        "deadline",
        "delivery",
        "elements",
        "ping_at",
        "proven",
        "reason",
        "role",
        "state",
        "text",
        "timer",
        "tokens_left",
    )

    def __init__(
        self, role: Role, state: State, address: Address, delivery: Delivery, deadline: float, context: object
    ) -> None:
        self.role = role
        self.state = state
        self.address = address
        self.delivery = delivery
        #: When it has lasted too long.
        self.deadline = deadline
        #: What the user gave; of a peer's call the offer.
        self.context = context
        #: The first frame, for the time a token is asked for.
        self.command = Command.POKE
        self.elements = b""
        self.credentials = Credentials()
        self.text = b""
        #: What the peer that calls was challenged with.
        self.challenge = ""
        #: Whether the peer has shown that it is at ``address``.
        self.proven = True
        self.cause = 0
        self.reason = ""
        self.tokens_left = MAX_TOKENS
        #: When the next PING is due; None: none is.
        self.ping_at: float | None = None
        #: When the stack looks at it next; None: nothing is due.
        self.timer: float | None = None

    @property
    def over(self) -> bool:
        return self.state is State.OVER

    @property
    def due(self) -> float:
        """When something is to be done."""
        due = self.deadline
        if self.ping_at is not None and self.ping_at < due:
            due = self.ping_at
        repeat = self.delivery.due
        return due if repeat is None or repeat > due else repeat
