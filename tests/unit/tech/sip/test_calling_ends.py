"""``fallback = invite``: how the call to a phone ends, before somebody takes it and after."""

from __future__ import annotations

import gc

import pytest

from support.called_phone import (
    CAROL,
    CONTACT,
    OFFER,
    SDP,
    answer,
    ask,
    called,
    nothing_left,
    notify,
    progress,
    refer,
    referred,
    takes,
    world,
)
from support.sip_world import reply
from switchroom.model.message import ReferralState
from switchroom.tech.sip.limits import RING_LIFE, SUBSCRIPTION_LIFE
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.message import Response

# ---- nobody takes it


@pytest.mark.parametrize("status", [404, 480, 486, 503, 603])
async def test_a_phone_that_refuses_the_call_too_is_a_failure(status: int) -> None:
    w = await world()
    (ack,) = w.receive(reply(called(w), status), CAROL)
    assert ack.request.method == "ACK"
    assert progress(w)[1:] == [(ReferralState.FAILED, status)]
    assert nothing_left(w)


async def test_a_phone_that_wants_other_media_and_does_not_say_which_is_let_go() -> None:
    w = await world()
    second = w.receive(reply(called(w), 488), CAROL)[1]
    ack, bye = w.receive(reply(second, 200, CONTACT), CAROL)
    assert (ack.request.method, ack.request.body, bye.request.method) == ("ACK", b"", "BYE")
    assert progress(w)[-1] == (ReferralState.FAILED, 488)
    w.receive(reply(bye), CAROL)
    assert nothing_left(w)


async def test_a_phone_that_wants_no_media_at_all_is_a_failure() -> None:
    w = await world()
    second = w.receive(reply(called(w), 488), CAROL)[1]
    (ack,) = w.receive(reply(second, 488), CAROL)
    assert ack.request.method == "ACK"
    assert progress(w)[1:] == [(ReferralState.FAILED, 488)]
    assert nothing_left(w)


async def test_a_phone_that_is_silent_to_the_call_too_is_a_failure() -> None:
    w = await world()
    called(w)
    w.pass_time(33)
    assert progress(w)[1:] == [(ReferralState.FAILED, 408)]
    assert nothing_left(w)


async def test_a_phone_that_rings_for_ever_is_given_up() -> None:
    w = await world()
    invite = called(w)
    w.receive(reply(invite, 180), CAROL)
    (cancel,) = w.pass_time(RING_LIFE + 0.1)
    assert cancel.request.method == "CANCEL"
    assert progress(w)[1:] == [(ReferralState.SENT, 180), (ReferralState.FAILED, 487)]
    w.receive(reply(cancel), CAROL)
    (ack,) = w.receive(reply(invite, 487), CAROL)
    assert ack.request.method == "ACK"
    assert nothing_left(w)


async def test_a_phone_that_is_picked_up_too_late_is_let_go_at_once() -> None:
    w = await world()
    invite = called(w)
    w.receive(reply(invite, 180), CAROL)
    w.pass_time(RING_LIFE + 0.1)
    ack, bye = takes(w, invite)
    assert (ack.request.method, bye.request.method) == ("ACK", "BYE")
    assert progress(w)[-1] == (ReferralState.FAILED, 487)


async def test_a_call_that_can_not_be_sent_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world()
    first = refer(w)

    def refuse(*args: object) -> int:
        raise SipError(503, "too many requests wait for an answer")

    monkeypatch.setattr(w.sip._stack, "request", refuse)
    assert w.receive(reply(first, 405), CAROL) == []
    assert progress(w)[1:] == [(ReferralState.FAILED, 503)]
    assert nothing_left(w)


async def test_an_answer_that_no_ack_can_be_sent_to_is_a_failure() -> None:
    w = await world()
    assert w.receive(reply(called(w), 200, SDP, OFFER), CAROL) == []
    assert progress(w)[1:] == [(ReferralState.FAILED, 502)]
    assert nothing_left(w)


# ---- it was taken


@pytest.mark.parametrize("status", [405, 481, 603])
async def test_a_phone_that_refuses_inside_the_call_is_let_go(status: int) -> None:
    w = await world()
    _, inside = takes(w, called(w))
    w.receive(reply(inside, status), CAROL)
    (bye,) = w.pass_time(0)
    assert bye.request.method == "BYE"
    assert progress(w)[-1] == (ReferralState.FAILED, status)
    w.receive(reply(bye), CAROL)
    assert nothing_left(w)


async def test_without_a_subscription_the_phone_is_let_go_at_once() -> None:
    w = await world()
    _, inside = takes(w, called(w))
    w.receive(reply(inside, 202, "Refer-Sub: false\n"), CAROL)
    (bye,) = w.pass_time(0)
    assert bye.request.method == "BYE"
    assert progress(w)[-1] == (ReferralState.ACCEPTED, 202)


@pytest.mark.parametrize(
    ("fragment", "state"), [("200 OK", ReferralState.ANSWERED), ("486 Busy", ReferralState.FAILED)]
)
async def test_the_end_of_the_referral_is_the_end_of_the_call(fragment: str, state: ReferralState) -> None:
    """Even where the phone forgets to end its subscription."""
    w = await world()
    invite, _ = referred(w)
    w.receive(notify(invite, f"SIP/2.0 {fragment}"), CAROL)
    (bye,) = w.pass_time(0)
    assert bye.request.method == "BYE"
    assert progress(w)[-1][0] is state
    assert answer(w, notify(invite, f"SIP/2.0 {fragment}", "terminated", 2)).status == 200
    assert answer(w, notify(invite, f"SIP/2.0 {fragment}", "terminated", 3)).status == 481


async def test_a_subscription_that_never_ends_is_ended_with_the_call() -> None:
    w = await world()
    referred(w)
    sent = w.pass_time(SUBSCRIPTION_LIFE + 1)
    assert sent[0].request.method == "BYE"
    assert progress(w)[-1] == (ReferralState.ACCEPTED, 202)
    assert nothing_left(w)


async def test_a_phone_that_hangs_up_is_still_heard() -> None:
    w = await world()
    invite, _ = referred(w)
    assert answer(w, ask(invite, "BYE")).status == 200
    assert answer(w, ask(invite, "INFO", cseq=2)).status == 481
    assert answer(w, notify(invite, "SIP/2.0 200 OK", "terminated", 3)).status == 200
    assert progress(w)[-1] == (ReferralState.ANSWERED, 200)
    assert w.pass_time(1) == []
    assert nothing_left(w)


async def test_byes_that_cross() -> None:
    w = await world()
    invite, _ = referred(w)
    w.receive(notify(invite, "SIP/2.0 200 OK", "terminated"), CAROL)
    w.pass_time(0)
    assert answer(w, ask(invite, "BYE", cseq=2)).status == 200


async def test_a_call_whose_ack_never_comes_is_ended() -> None:
    w = await world()
    invite, _ = referred(w)
    w.receive(ask(invite, "INVITE", extra=CONTACT + SDP, body=OFFER), CAROL)
    sent = w.pass_time(33)
    assert [s.message for s in sent if isinstance(s.message, Response) and s.response.status != 200] == []
    assert sent[-1].request.method == "BYE"


async def test_all_phones_are_let_go_when_the_server_stops() -> None:
    w = await world()
    referred(w)
    rings = called(w)
    w.receive(reply(rings, 180), CAROL)
    await w.sip.stop()
    assert [s.request.method for s in w.sent()] == ["BYE", "CANCEL"]


async def test_a_call_that_is_over_leaves_no_cycle() -> None:
    w = await world()
    gc.collect()
    gc.disable()
    try:
        for fragment in ("200 OK", "486 Busy Here"):
            invite, _ = referred(w)
            w.receive(ask(invite, "INVITE", extra=CONTACT + SDP, body=OFFER), CAROL)
            w.receive(ask(invite, "ACK"), CAROL)
            w.receive(notify(invite, f"SIP/2.0 {fragment}", "terminated", 2), CAROL)
            (bye,) = w.pass_time(0)
            w.receive(reply(bye), CAROL)
        rings = called(w)
        w.receive(reply(rings, 180), CAROL)
        w.pass_time(RING_LIFE)
        w.receive(reply(rings, 487), CAROL)
        del invite, rings, bye
        w.progress.clear()
        w.ear.take()
        w.pass_time(100)
        assert gc.collect() == 0
    finally:
        gc.enable()
