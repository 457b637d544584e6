"""A request leaves nothing to the garbage collector: its pauses would be a tenth of a second under load."""

from __future__ import annotations

import gc

import pytest

from support.sip_world import SipWorld, aor, phone, reply, settings, wire
from switchroom.wire.sip.flow import Flow


@pytest.mark.parametrize("status", [200, 404, 401])
async def test_a_text_that_was_answered_leaves_no_cycle(status: int) -> None:
    w = await SipWorld(settings(phone("bob"), aors=[aor("bob", contact=("sip:bob@192.0.2.9:5090",))])).start()
    w.sent()
    flow = Flow("udp", "udp", "192.0.2.9", 5090)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            await w.messages.send("pjsip:bob", "alice", "hello", {})
            (sent,) = w.sent()
            w.sip.receive(wire(reply(sent, status)), flow)
            del sent
        w.ear.take()
        w.deliveries.clear()
        w.pass_time(40)
        assert gc.collect() == 0
    finally:
        gc.enable()
