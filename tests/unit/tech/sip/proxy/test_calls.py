"""Calls between two phones, from the first packet to the last, and the table they are in."""

from __future__ import annotations

import pytest

from support.call_world import SDP, Exchange, Phone, at, exchange, routes_to_us, talk
from support.sip_world import SERVER
from switchroom.tech.sip.limits import MAX_LEG_TEXT, MAX_LEGS


async def pair() -> tuple[Exchange, Phone, Phone]:
    x = await exchange("alice", "bob")
    return x, at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5062")


async def test_a_call_from_dialling_to_hanging_up() -> None:
    x, alice, bob = await pair()
    dialling = alice.invite("bob")
    assert alice.statuses() == [100]
    invite = bob.got("INVITE")
    assert invite.request.target == "sip:bob@192.0.2.20:5062"
    assert (invite.request.max_forwards, invite.request.body.decode()) == (69, SDP)
    assert (x.channels("alice"), x.channels("bob")) == (0, 0)
    bob.answer(invite, 180)
    assert alice.statuses() == [180]
    assert (x.channels("alice"), x.channels("bob")) == (1, 1)
    called = bob.answer(invite, 200, body=SDP)
    talking = dialling.learn(alice.got(200).response)
    assert talking.target == "sip:bob@192.0.2.20:5062"
    talking.send("ACK")
    assert bob.heard[-1].request.method == "ACK"
    assert bob.heard[-1].request.target == "sip:bob@192.0.2.20:5062"
    assert bob.heard[-1].request.lines("route") == []
    called.send("BYE")
    bye = alice.got("BYE")
    assert bye.request.target == "sip:alice@192.0.2.10:5060"
    alice.answer(bye, 200)
    assert bob.statuses() == [200]
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    x.pass_time(40)
    assert (alice.methods(), bob.methods()) == (["BYE"], ["INVITE", "ACK"])


async def test_every_header_and_the_body_pass_as_they_came() -> None:
    """Names as written, order, odd spacing inside values, bytes that are no UTF-8, compact forms, unknown headers."""
    _, alice, bob = await pair()
    odd = 'X-One:  a,  "b"\nm2: \u00e9\nx: 1800;refresher=uac\nX-ONE: again\nSupported:\nk: 100rel\n'
    alice.invite("bob", extra=odd, body="v=0\r\n\r\n\x00\u00fc")
    invite = bob.got("INVITE")
    fields = [(name, value) for key, name, value in invite.request.fields if key.startswith(("x-", "m2"))]
    assert fields == [("X-One", 'a,  "b"'), ("m2", "\u00e9"), ("X-ONE", "again")]
    assert b"\r\nx: 1800;refresher=uac\r\nX-ONE: again\r\nSupported: \r\nk: 100rel\r\n" in invite.data
    assert invite.request.body == "v=0\r\n\r\n\x00\u00fc".encode()
    bob.answer(invite, 183, extra="X-Back: 1\nRequire: 100rel\nRSeq: 7\nn: \u00e9\n", body="w=\x01")
    back = alice.got(183)
    assert b"X-Back: 1\r\nRequire: 100rel\r\nRSeq: 7\r\nn: \xc3\xa9\r\nContent-Length: 3\r\n\r\nw=\x01" in back.data
    assert back.response.reason == "Word"


async def test_the_record_route_names_us_and_the_vias_lead_back() -> None:
    _, alice, bob = await pair()
    alice.invite("bob")
    invite = bob.got("INVITE").request
    (own,) = routes_to_us(invite)
    assert own.endswith(f"@{SERVER}:5060;lr")
    assert invite.lines("via")[1].endswith(";received=192.0.2.10;rport=5060")
    bob.answer(bob.got("INVITE"), 180)
    (via,) = alice.got(180).response.lines("via")
    assert via == invite.lines("via")[1]


async def test_a_re_invite_info_update_and_prack_pass_both_ways() -> None:
    x, alice, bob = await pair()
    talking, called = talk(alice, bob)
    for method in ("INFO", "UPDATE", "PRACK", "MESSAGE", "OPTIONS", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH"):
        talking.send(method, extra="Contact: <sip:alice@192.0.2.10:5060>\n", body="hello")
        assert bob.got(method).request.body == b"hello"
        bob.answer(bob.got(method), 200)
        assert alice.statuses() == [200]
        called.send(method, body="back")
        alice.answer(alice.got(method), 488)
        assert bob.statuses() == [488]
    called.send("INVITE", extra="Contact: <sip:bob@192.0.2.20:5062>\n", body=SDP)
    again = alice.got("INVITE")
    assert again.request.lines("record-route") == []
    assert bob.statuses() == [100]
    alice.answer(again, 200, body=SDP)
    called.send("ACK")
    assert alice.heard[-1].request.method == "ACK"
    assert x.calls == 1


async def test_the_ack_to_a_failure_ends_with_us_and_that_to_ours_is_made_by_us() -> None:
    x, alice, bob = await pair()
    dialling = alice.invite("bob")
    bob.answer(bob.got("INVITE"), 486)
    assert bob.got("ACK").request.lines("via")[0] == bob.got("INVITE").request.lines("via")[0]
    busy = alice.got(486).response
    dialling.remote = busy.first("to") or ""
    bob.take()
    alice.send(
        dialling.invite.partition("\n\n")[0].replace("INVITE sip", "ACK sip").replace("2 INVITE", "2 ACK") + "\n\n"
    )
    x.pass_time(40)
    assert bob.methods() == []
    assert (x.calls, x.channels("alice")) == (0, 0)


async def test_a_repeated_200_gets_through_and_so_does_each_ack() -> None:
    x, alice, bob = await pair()
    dialling = alice.invite("bob")
    invite = bob.got("INVITE")
    bob.answer(invite, 200, body=SDP)
    bob.answer(invite, 200, body=SDP)
    assert alice.statuses() == [100, 200, 200]
    bob.answer(invite, 200, body=SDP)
    talking = dialling.learn(alice.got(200).response)
    talking.send("ACK")
    talking.send("ACK")
    assert bob.methods() == ["INVITE", "ACK", "ACK"]
    assert x.channels("bob") == 1


async def test_a_bye_that_nobody_answers_ends_the_call_too() -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    talking.send("BYE")
    assert x.calls == 1
    x.pass_time(40)
    assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)


async def test_a_bye_that_has_to_be_proven_does_not_end_the_call() -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    talking.send("BYE")
    bob.answer(bob.got("BYE"), 401, extra='WWW-Authenticate: Digest realm="bob", nonce="x"\n')
    assert alice.statuses() == [401]
    assert x.calls == 1
    talking.send("BYE", extra='Authorization: Digest username="a", realm="bob", nonce="x", uri="sip:b", response="0"\n')
    assert bob.got("BYE").request.first("authorization")


async def test_a_200_that_comes_again_after_bye_makes_no_call() -> None:
    x, alice, bob = await pair()
    dialling = alice.invite("bob")
    invite = bob.got("INVITE")
    bob.answer(invite, 200)
    talking = dialling.learn(alice.got(200).response)
    talking.send("ACK")
    talking.send("BYE")
    bob.answer(bob.got("BYE"), 200)
    assert x.calls == 0
    bob.answer(invite, 200)
    assert (x.calls, x.channels("bob")) == (0, 0)


async def test_dialogs_that_were_ended_are_remembered_up_to_a_bound() -> None:
    """Two who are in league: one rings under ever new tags, the other ends each of these dialogs."""
    x, alice, bob = await pair()
    dialling = alice.invite("bob")
    invite = bob.got("INVITE")
    for n in range(MAX_LEGS + 10):
        bob.answer(invite, 180, tag=f"t{n}")
        dialling.learn(alice.got(180).response).send("BYE")
        bob.answer(bob.got("BYE"), 200)
        alice.take()
    (call,) = x.world.sip.calls
    assert len(call.hung_up) == MAX_LEGS


async def test_what_is_kept_of_a_party_has_a_bound() -> None:
    """Ten thousand calls, each with all the Record-Routes and the Contact that fit a packet, would fill the memory."""
    x, alice, bob = await pair()
    proxies = ", ".join(f"<sip:p{n}.example.com;lr>" for n in range(MAX_LEG_TEXT // 20))
    alice.invite("bob", extra=f"Record-Route: {proxies}\n")
    assert alice.statuses()[-1] == 400
    alice.contact = f"sip:alice@192.0.2.10:5060;x={'x' * MAX_LEG_TEXT}"
    alice.invite("bob")
    invite = bob.got("INVITE")
    bob.contact = f"sip:bob@192.0.2.20:5062;x={'x' * MAX_LEG_TEXT}"
    r = invite.request
    vias = "".join(f"Via: {via}\n" for via in r.lines("via"))
    raw = (
        f"SIP/2.0 200 OK\n{vias}Record-Route: {proxies}, {r.first('record-route')}\nFrom: {r.first('from')}\n"
        f"To: {r.first('to')};tag=b\nCall-ID: {r.call_id}\nCSeq: {r.cseq}\nContact: <{bob.contact}>\n\n"
    )
    bob.answer(invite, 200, raw=raw)
    (call,) = x.world.sip.calls
    assert [leg.tag for leg in call.confirmed_legs] == ["b"]
    assert all(leg.contact == "" and leg.routes == () for leg in (call.caller, *call.legs.values()))


async def test_early_dialogs_end_with_the_last_branch() -> None:
    """RFC 3261 12.3: a phone that lost the call, or refused it, has no dialog with the caller any more."""
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    other = at(x, "bob", "192.0.2.21:5060")
    dialling = alice.invite("bob")
    lost = other.answer(other.got("INVITE"), 180)
    bob.answer(bob.got("INVITE"), 200)
    other.answer(other.got("INVITE"), 487)
    alice.take()
    lost.send("INFO")
    assert alice.take() == []
    assert other.statuses()[-1] in (401, 481)
    (call,) = x.world.sip.calls
    assert [leg.tag for leg in call.legs.values()] == ["bob.192.0.2.20.5060"]
    assert dialling.cseq == 2


@pytest.mark.parametrize("end", [200, 486])
async def test_a_dialog_that_was_forgotten_for_newer_ones_holds_no_connection(end: int) -> None:
    x = await exchange("alice", "bob")
    x.listen("tcp", 5060)
    alice = at(x, "alice", "192.0.2.10:5060")
    one, other = (at(x, "bob", f"192.0.2.2{n}:3300{n}", transport="tcp") for n in range(2))
    dialling = alice.invite("bob")
    one.answer(one.got("INVITE"), 180)
    for n in range(MAX_LEGS):
        other.answer(other.got("INVITE"), 180, tag=f"t{n}")
    alice.take()
    other.answer(other.got("INVITE"), end)
    one.answer(one.got("INVITE"), 487)
    if end == 200:
        dialling.learn(alice.got(200).response).send("BYE")
        other.answer(other.got("BYE"), 200)
    assert (x.calls, x.world.sip.calls.on_flow(one.flow), x.world.sip.calls.on_flow(other.flow)) == (0, [], [])


async def test_another_fork_that_answers_when_the_call_is_over_is_a_call_again() -> None:
    x = await exchange("alice", "bob")
    x.listen("tcp", 5060)
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:33000", transport="tcp")
    dialling = alice.invite("bob")
    invite = bob.got("INVITE")
    for tag in ("one", "two"):
        bob.answer(invite, 200, tag=tag)
        talking = dialling.learn(alice.got(200).response)
        talking.send("ACK")
        assert x.world.sip.calls.on_flow(bob.flow) == list(x.world.sip.calls)
        assert (x.calls, x.channels("alice"), x.channels("bob")) == (1, 1, 1)
        talking.send("BYE")
        bob.answer(bob.got("BYE"), 200)
        assert (x.calls, x.channels("alice"), x.channels("bob")) == (0, 0, 0)
    x.pass_time(100)
    assert x.world.sip.calls.on_flow(bob.flow) == []


async def test_a_481_ends_the_dialog() -> None:
    x, alice, bob = await pair()
    talking, _ = talk(alice, bob)
    talking.send("INFO")
    bob.answer(bob.got("INFO"), 481)
    assert x.calls == 1
    talking.send("UPDATE")
    bob.answer(bob.got("UPDATE"), 481)
    assert x.calls == 0


@pytest.mark.parametrize(("status", "passed"), [(404, 404), (488, 488), (603, 603), (503, 500), (302, 302)])
async def test_a_failure_goes_back(status: int, passed: int) -> None:
    x, alice, bob = await pair()
    alice.invite("bob")
    bob.answer(bob.got("INVITE"), status, extra="Retry-After: 5\n")
    assert alice.statuses() == [100, passed]
    assert x.calls == 0


async def test_the_session_timer_is_noted() -> None:
    x, alice, bob = await pair()
    alice.invite("bob")
    bob.answer(bob.got("INVITE"), 200, extra="Session-Expires: 600;refresher=uas\n")
    (call,) = x.world.sip.calls
    assert call.session_expires == 600


async def test_an_endpoint_may_call_itself_and_be_called_by_a_tel_uri() -> None:
    x = await exchange("4930")
    at(x, "4930", "192.0.2.10:5060")
    first = at(x, "4930", "192.0.2.11:5060")
    first.invite("tel:4930")
    assert first.got("INVITE").request.target == "sip:4930@192.0.2.11:5060"


async def test_who_is_not_here_or_nowhere() -> None:
    x = await exchange("alice", "bob")
    alice = at(x, "alice", "192.0.2.10:5060")
    alice.invite("nobody")
    alice.invite("bob")
    alice.invite(f"sip:{SERVER}")
    alice.invite("sip:bob2@elsewhere.example.com")
    assert alice.statuses() == [404, 480, 404, 404]
    assert x.lost == []


async def test_calls_none_refuses_them() -> None:
    x = await exchange("alice", "bob", calls="none")
    alice = at(x, "alice", "192.0.2.10:5060")
    at(x, "bob", "192.0.2.20:5062")
    alice.invite("bob")
    answer = alice.got(405).response
    assert "INVITE" not in (answer.first("allow") or "")
    assert alice.statuses() == [405]


async def test_options_shows_what_is_served() -> None:
    for calls, shown in (("endpoints", True), ("none", False)):
        x = await exchange("alice", calls=calls)
        alice = at(x, "alice", "192.0.2.10:5060")
        alice._proven(alice._outside("OPTIONS", f"sip:{SERVER}", "alice", ""))
        assert ("INVITE" in (alice.got(200).response.first("allow") or "")) is shown
