"""The way of a text in the log."""

from __future__ import annotations

from structlog.testing import capture_logs

from support.messages_world import MessagesWorld
from switchroom.core.trail import Trail
from switchroom.model.endpoint import EndpointId


async def world(*, every_step: bool) -> MessagesWorld:
    w = MessagesWorld("bob")
    trail = Trail(every_step=every_step)
    assert not trail.takes(EndpointId("PJSIP", "bob"))
    w.bus.attach(trail)
    await w.start()
    w.phones.come("bob", "sip:one")
    return w


async def test_every_step_names_the_message_and_none_the_text() -> None:
    w = await world(every_step=True)
    with capture_logs() as lines:
        record = await w.send(body="a secret")
        await w.answer(503)
        await w.pass_time(5.0)
        await w.answer(200)
    assert {line["message"] for line in lines} == {record.id}
    assert [(line["state"], line["delivery"], line["attempt"], line["status"]) for line in lines] == [
        ("queued", "queued", 0, 0),
        ("sending", "sending", 1, 0),
        ("queued", "queued", 1, 503),
        ("sending", "sending", 2, 503),
        ("delivered", "delivered", 2, 200),
    ]
    assert {line["log_level"] for line in lines} == {"debug"}
    assert "secret" not in repr(lines)


async def test_what_is_not_delivered_is_told_in_any_case() -> None:
    w = await world(every_step=False)
    with capture_logs() as lines:
        await w.send()
        await w.answer(200)
        failed = await w.send()
        await w.answer(488)
        w.phones.go("bob", "sip:one")
        expired = await w.send(offline=True, expires=10)
        await w.pass_time(20.0)
    assert [(line["message"], line["state"], line["log_level"]) for line in lines] == [
        (failed.id, "failed", "info"),
        (expired.id, "expired", "info"),
    ]
    assert (lines[0]["contact"], lines[0]["status"], lines[0]["reason"]) == ("sip:one", 488, "Because")
    assert "contact" not in lines[1]
