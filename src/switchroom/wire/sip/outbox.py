"""What the stack has ready for its caller: packets, events, and counts of everything that happened."""

from __future__ import annotations

from collections import deque
from typing import Final

from switchroom.wire.sip.events import Event
from switchroom.wire.sip.flow import Flow

#: What is counted, each from the start of the stack.
COUNTERS: Final = {
    "requests_received": "requests parsed, retransmissions included",
    "responses_received": "responses parsed, retransmissions included",
    "requests_sent": "requests sent, without retransmissions",
    "responses_sent": "responses sent, without retransmissions",
    "retransmissions_absorbed": "packets that came again and were dealt with before",
    "retransmissions_sent": "packets sent again, by timer or because one came again",
    "discarded": "packets dropped as malformed or belonging to nothing",
    "rejected": "malformed requests that got an answer",
    "refused": "answers not sent because their time was over or RFC 4320 forbids them",
    "silenced": "answers not sent because they were larger than twice their unauthenticated request",
    "shed": "requests answered 503 because too many were being worked on",
    "evicted": "answers forgotten early to stay within the bounds",
    "timeouts": "requests of ours without a final answer",
    "transport_failures": "requests of ours whose flow broke",
}


class Outbox:
    """Filled by the transactions, emptied by the caller after each packet and timer, so it needs no bound."""

    __slots__ = ("counters", "events", "packets")

    def __init__(self) -> None:
        self.packets: deque[tuple[bytes, Flow]] = deque()
        self.events: deque[Event] = deque()
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    def resend(self, data: bytes, flow: Flow) -> None:
        self.packets.append((data, flow))
        self.counters["retransmissions_sent"] += 1
