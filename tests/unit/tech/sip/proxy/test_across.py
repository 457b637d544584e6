"""Calls between the endpoints of two SIP technologies: each party by its own, and one call."""

from __future__ import annotations

import gc
from random import Random

import pytest

from support.call_world import SDP, Dialog, Exchange, Phone, at, exchange, exchange_beside, talk
from support.sip_world import HERE, SERVER, aor, auth, phone
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.limits import FLOW_GRACE, LONGEST_SESSION, PROBE_AFTER, TIMER_C, WATCH_EVERY
from switchroom.tech.sip.proxy import calls
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import parse_name_addr
from switchroom.wire.sip.message import Request

DIRECTIONS = pytest.mark.parametrize("outward", [True, False], ids=["to_sip", "to_pjsip"])


class Server:
    """PJSIP with alice, SIP with bob, each with a phone; twin and nowhere are where they are said to be."""

    def __init__(self, pjsip: Exchange, sip: Exchange) -> None:
        self.pjsip, self.sip = pjsip, sip
        self.alice, self.bob = at(pjsip, "alice", "192.0.2.10:5060"), at(sip, "bob", "192.0.2.20:5062")

    def sides(self, outward: bool) -> tuple[Phone, Phone]:
        """Who calls and who is called."""
        return (self.alice, self.bob) if outward else (self.bob, self.alice)

    @property
    def channels(self) -> tuple[int, int]:
        """Those of alice and of bob."""
        return self.pjsip.channels("alice"), self.sip.channels("bob")

    def check_nothing_is_left(self) -> None:
        """Once transactions have ended, no call is; once registrations have expired, nothing."""
        self.pjsip.pass_time(70)
        assert (self.pjsip.calls, self.channels) == (0, (0, 0))
        self.pjsip.pass_time(3 * LONGEST_SESSION)
        assert [self.pjsip.left_over(), self.sip.left_over()] == [{}, {}]


async def server(fork: str = "all") -> Server:
    pjsip = await exchange("alice", "twin", fork=fork)
    return Server(pjsip, await exchange_beside(pjsip, "bob", "twin", "away", fork=fork))


def ports(dialog: Dialog) -> list[int | None]:
    return [parse_name_addr(route).uri.port for route in dialog.routes]


@DIRECTIONS
@pytest.mark.parametrize("caller_ends", [True, False])
async def test_a_call_from_dialling_to_hanging_up(outward: bool, caller_ends: bool) -> None:
    s = await server()
    caller, callee = s.sides(outward)
    own, other = (5060, 5070) if outward else (5070, 5060)
    dialling = caller.invite(callee.name)
    assert caller.statuses() == [100]
    invite = callee.got("INVITE")
    assert invite.request.target == callee.contact
    assert invite.request.lines("via")[0].partition(";")[0].endswith(f"{SERVER}:{other}")
    assert s.channels == (0, 0)
    callee.answer(invite, 180)
    assert caller.statuses() == [180]
    assert s.channels == (1, 1)
    called = callee.answer(invite, 200, body=SDP)
    talking = dialling.learn(caller.got(200).response)
    assert (ports(talking), ports(called)) == ([own, other], [other, own])
    talking.send("ACK")
    assert callee.heard[-1].request.method == "ACK"
    assert callee.heard[-1].request.lines("route") == []
    sender, receiver = (talking, callee) if caller_ends else (called, caller)
    sender.send("BYE")
    receiver.answer(receiver.got("BYE"), 200)
    assert sender.owner.statuses()[-1] == 200
    assert s.channels == (0, 0)
    s.check_nothing_is_left()


@DIRECTIONS
async def test_requests_pass_both_ways_inside(outward: bool) -> None:
    s = await server()
    caller, callee = s.sides(outward)
    talking, called = talk(caller, callee)
    for dialog, peer in ((talking, callee), (called, caller)):
        dialog.send("INVITE", extra=f"Contact: <{dialog.owner.contact}>\n", body=SDP)
        peer.answer(peer.got("INVITE"), 200, body=SDP)
        assert dialog.owner.statuses() == [100, 200]
        dialog.send("ACK")
        assert peer.heard[-1].request.method == "ACK"
        for method in ("INFO", "UPDATE", "PRACK", "MESSAGE", "REFER"):
            dialog.send(method, body="hello")
            assert peer.got(method).request.body == b"hello"
            peer.answer(peer.got(method), 488)
            assert dialog.owner.statuses() == [488]
    assert s.pjsip.calls == 1


@DIRECTIONS
async def test_the_caller_gives_up(outward: bool) -> None:
    s = await server()
    caller, callee = s.sides(outward)
    dialling = caller.invite(callee.name)
    invite = callee.got("INVITE")
    callee.answer(invite, 180)
    dialling.cancel()
    callee.answer(callee.got("CANCEL"), 200)
    callee.answer(invite, 487)
    assert caller.statuses() == [100, 180, 200, 487]
    assert callee.methods() == ["INVITE", "CANCEL", "ACK"]
    s.check_nothing_is_left()


@DIRECTIONS
async def test_a_failure_goes_back_at_once(outward: bool) -> None:
    s = await server()
    caller, callee = s.sides(outward)
    caller.invite(callee.name)
    callee.answer(callee.got("INVITE"), 486)
    assert caller.statuses() == [100, 486]
    assert callee.methods() == ["INVITE", "ACK"]
    caller.invite(callee.name)
    callee.exchange.world.sip.unreachable(callee.flow)
    callee.exchange.deliver()
    assert caller.statuses() == [100, 500]
    caller.invite(callee.name)
    s.pjsip.pass_time(33)
    assert caller.statuses()[-1] == 408
    caller.invite(callee.name)
    callee.answer(callee.got("INVITE"), 180)
    s.pjsip.pass_time(TIMER_C + 33)
    assert caller.statuses()[-1] == 408
    s.check_nothing_is_left()


async def test_a_name_is_looked_for_at_home_first() -> None:
    s = await server()
    twins = at(s.pjsip, "twin", "192.0.2.30:5060"), at(s.sip, "twin", "192.0.2.31:5060")
    for caller, rings, silent in ((s.alice, *twins), (s.bob, *reversed(twins))):
        caller.invite("twin")
        rings.answer(rings.got("INVITE"), 486)
        assert caller.statuses() == [100, 486]
        assert (rings.methods(), silent.methods()) == (["INVITE", "ACK"], [])
    s.alice.invite("away")
    assert s.alice.statuses() == [480]
    for caller in (s.alice, s.bob):
        caller.invite("nobody")
        assert caller.statuses() == [404]


async def test_a_gruu_is_its_device_whoever_has_the_name() -> None:
    s = await server()
    at(s.pjsip, "twin", "192.0.2.30:5060")
    there = at(s.sip, "twin", "192.0.2.31:5060", register=False)
    there.register("Supported: gruu\n", f'<{there.contact}>;+sip.instance="<urn:uuid:1>"')
    s.alice.invite(f"sip:twin@{SERVER};gr=urn:uuid:1", to="twin")
    assert there.methods() == ["INVITE"]
    s.alice.statuses()
    s.alice.invite(f"sip:twin@{SERVER};gr=urn:uuid:2", to="twin")
    assert s.alice.statuses() == [480]


async def test_a_stranger_learns_nothing_of_the_other_technology() -> None:
    s = await server()
    stranger = at(s.pjsip, "mallory", "192.0.2.66:5060", register=False)
    for name in ("bob", "nobody"):
        stranger.send(stranger._outside("INVITE", f"sip:{name}@{SERVER}", name, f"Contact: <{stranger.contact}>\n"))
    assert stranger.statuses() == [407, 407]
    # Who is known here is nobody there.
    foreign = Phone(s.sip, "alice", Flow("udp", "udp", "192.0.2.10", 5061), "sip:alice@192.0.2.10:5061")
    foreign.invite("bob")
    assert foreign.statuses() == [407]
    assert s.bob.heard == []


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "REFER"])
async def test_who_has_seen_the_tags_is_no_party_at_either_socket(method: str) -> None:
    s = await server()
    talking, called = talk(s.alice, s.bob)
    for side, dialog in ((s.pjsip, talking), (s.sip, called)):
        thief = at(side, "mallory", "192.0.2.66:5060", register=False)
        for target in (s.alice.contact, s.bob.contact):
            stolen = Dialog(thief, dialog.call_id, dialog.local, dialog.remote, target)
            stolen.cseq = 7
            stolen.send(method)
        assert set(thief.statuses()) <= {401, 407}
    assert (s.alice.heard, s.bob.heard, s.channels) == ([], [], (1, 1))


def _trunk() -> SipEndpointSettings:
    return SipEndpointSettings(name="trunk", source=HERE, aors=("trunk",), outbound_auth=("line",))


async def test_a_trunk_of_the_other_technology_asks_and_is_answered_with_its_own_password() -> None:
    pjsip = await exchange("alice", endpoints=[phone("open", auth=())], aors=[aor("open")])
    sip = await exchange_beside(
        pjsip,
        endpoints=[_trunk()],
        aors=[aor("trunk", contact=("sip:192.0.2.60:5080",))],
        auths=[auth("line", realm="provider")],
    )
    alice = at(pjsip, "alice", "192.0.2.10:5060")
    provider = at(sip, "provider", "192.0.2.60:5080", register=False)
    dialling = alice.invite("sip:+4930123@192.0.2.60:5080")
    first = provider.got("INVITE")
    assert first.request.target == "sip:+4930123@192.0.2.60:5080"
    provider.answer(
        first, 401, extra='WWW-Authenticate: Digest realm="provider", nonce="1", algorithm=MD5, qop="auth"\n'
    )
    again = provider.got("INVITE")
    assert 'username="line"' in (again.request.first("authorization") or "")
    provider.answer(again, 200, body=SDP)
    talking = dialling.learn(alice.got(200).response)
    talking.send("ACK")
    assert (pjsip.channels("alice"), sip.channels("trunk")) == (1, 1)


async def test_numbers_behind_trunks_cost_money() -> None:
    """Who shows no password reaches endpoints of the other technology, and no number behind its trunks."""
    pjsip = await exchange(endpoints=[phone("open", auth=())], aors=[aor("open")])
    sip = await exchange_beside(
        pjsip, "bob", endpoints=[_trunk()], aors=[aor("trunk", contact=("sip:192.0.2.60:5080",))]
    )
    bob = at(sip, "bob", "192.0.2.20:5062")
    caller = at(pjsip, "open", "192.0.2.11:5060", register=False)
    caller.invite("sip:+4930123@192.0.2.60:5080")
    assert caller.statuses() == [403]
    caller.invite("bob")
    assert bob.methods() == ["INVITE"]


@pytest.mark.parametrize("fork", ["all", "first"])
async def test_all_phones_of_the_called_ring(fork: str) -> None:
    s = await server(fork)
    s.sip.listen("tcp", 5070)
    second = at(s.sip, "bob", "192.0.2.21:33000", transport="tcp")
    dialling = s.alice.invite("bob")
    if fork == "first":
        assert second.heard == []
        s.bob.answer(s.bob.got("INVITE"), 486)
    else:
        s.bob.answer(s.bob.got("INVITE"), 180)
    invite = second.got("INVITE")
    second.answer(invite, 180)
    second.answer(invite, 200, body=SDP)
    if fork == "all":
        s.bob.answer(s.bob.got("CANCEL"), 200)
        s.bob.answer(s.bob.got("INVITE"), 487)
    assert s.bob.methods()[-1] == "ACK"
    talking = dialling.learn(s.alice.got(200).response)
    talking.send("ACK")
    assert (second.methods()[-1], s.channels) == ("ACK", (1, 1))
    talking.send("BYE")
    second.answer(second.got("BYE"), 200)
    s.check_nothing_is_left()


async def test_a_2xx_of_each_of_two_phones_makes_a_dialog_each() -> None:
    s = await server()
    second = at(s.sip, "bob", "192.0.2.21:5060")
    dialling = s.alice.invite("bob")
    invites = [phone.got("INVITE") for phone in (s.bob, second)]
    talks = []
    for ringing, invite in zip((s.bob, second), invites, strict=True):
        ringing.answer(invite, 200, body=SDP)
        talks.append(dialling.learn(s.alice.got(200).response))
        talks[-1].send("ACK")
        assert ringing.methods()[-1] == "ACK"
    for talking, ringing in zip(talks, (s.bob, second), strict=True):
        talking.send("BYE")
        ringing.answer(ringing.got("BYE"), 200)
    assert s.channels == (0, 0)
    s.check_nothing_is_left()


async def test_a_redirection_leads_to_the_other_technology_and_back() -> None:
    pjsip = await exchange("alice", "carol", "bob")
    sip = await exchange_beside(
        pjsip, "bob", endpoints=[phone("desk", follow_redirect_methods=("invite",))], aors=[aor("desk")]
    )
    alice, carol = at(pjsip, "alice", "192.0.2.10:5060"), at(pjsip, "carol", "192.0.2.11:5060")
    desk, bob = at(sip, "desk", "192.0.2.20:5060"), at(sip, "bob", "192.0.2.21:5060")
    namesake = at(pjsip, "bob", "192.0.2.12:5060")
    alice.invite("desk")
    desk.answer(desk.got("INVITE"), 302, extra=f"Contact: <sip:carol@{SERVER}>, <sip:bob@{SERVER}>\n")
    for called in (carol, bob):
        called.answer(called.got("INVITE"), 180)
    assert (pjsip.channels("alice"), pjsip.channels("carol"), sip.channels("bob")) == (1, 1, 1)
    carol.answer(carol.got("INVITE"), 200, body=SDP)
    assert alice.statuses()[-1] == 200
    assert (bob.methods(), namesake.heard) == (["INVITE", "CANCEL"], [])


@DIRECTIONS
async def test_silent_parties_are_asked_each_by_its_own_technology(outward: bool) -> None:
    s = await server()
    caller, callee = s.sides(outward)
    talk(caller, callee)
    s.pjsip.pass_time(PROBE_AFTER + WATCH_EVERY)
    for party, port in ((s.alice, 5060), (s.bob, 5070)):
        asked = party.got("OPTIONS")
        assert asked.request.lines("via")[0].partition(";")[0].endswith(f":{port}")
        party.answer(asked, 200)
        party.take()
    s.pjsip.pass_time(PROBE_AFTER + WATCH_EVERY)
    caller.answer(caller.got("OPTIONS"), 200)
    s.pjsip.pass_time(40)
    assert caller.got("BYE").request.call_id
    assert s.channels == (0, 0)
    caller.answer(caller.got("BYE"), 200)
    s.check_nothing_is_left()


@DIRECTIONS
async def test_calls_leave_nothing_to_the_garbage_collector(outward: bool) -> None:
    s = await server()
    caller, callee = s.sides(outward)

    def calls_of_each_end() -> None:
        talking, _ = talk(caller, callee)
        talking.send("BYE")
        callee.answer(callee.got("BYE"), 200)
        dialling = caller.invite(callee.name)
        callee.answer(callee.got("INVITE"), 180)
        dialling.cancel()
        callee.answer(callee.got("INVITE"), 487)
        for each in (caller, callee):
            each.take()
        s.pjsip.pass_time(70)
        s.pjsip.world.ear.take()

    calls_of_each_end()
    gc.collect()
    gc.disable()
    try:
        calls_of_each_end()
        assert gc.collect() == 0
    finally:
        gc.enable()


@DIRECTIONS
async def test_a_closed_connection_ends_the_call(outward: bool) -> None:
    s = await server()
    side = s.sip if outward else s.pjsip
    side.listen("tcp", 5080)
    name = "bob" if outward else "alice"
    lost = at(side, name, "192.0.2.40:33000", transport="tcp")
    stays = s.alice if outward else s.bob
    talk(lost, stays)
    side.disconnect(lost)
    s.pjsip.pass_time(FLOW_GRACE + 1)
    assert stays.methods()[-1] == "BYE"
    ringing = at(side, name, "192.0.2.41:33000", transport="tcp")
    stays.take()
    ringing.invite(stays.name)
    stays.answer(stays.got("INVITE"), 180)
    side.disconnect(ringing)
    assert stays.methods() == ["INVITE", "CANCEL"]
    s.check_nothing_is_left()


async def test_a_party_that_speaks_to_the_other_technology_is_heard_and_stays_where_it_is() -> None:
    s = await server()
    s.sip.listen("tcp", 5070)
    talking, called = talk(s.alice, s.bob)
    talking.owner = Phone(s.sip, "alice", Flow("tcp", "tcp", "192.0.2.66", 33000), s.alice.contact)
    credentials = next(line for line in talking.invite.split("\n") if line.startswith("Proxy-Authorization:"))
    talking.send("INFO", extra=f"{credentials}\n")
    info = s.bob.got("INFO")
    assert info.request.lines("proxy-authorization") == []
    s.bob.answer(info, 200)
    assert talking.owner.statuses() == [200]
    called.send("INFO")
    assert s.alice.methods() == ["INFO"]


async def test_the_bound_of_one_endpoint_is_not_that_of_its_namesake(monkeypatch: pytest.MonkeyPatch) -> None:
    s = await server()
    monkeypatch.setattr(calls, "MAX_CALLS_OF_ONE", 1)
    twins = at(s.pjsip, "twin", "192.0.2.30:5060"), at(s.sip, "twin", "192.0.2.31:5060")
    for twin, callee in zip(twins, (s.bob, s.alice), strict=True):
        twin.invite(callee.name)
        assert twin.statuses() == [100]
        twin.invite(callee.name)
        assert twin.statuses() == [503]


@pytest.mark.parametrize("fork", ["all", "first"])
async def test_hundreds_of_calls_leave_nothing(fork: str) -> None:
    s = await server(fork)
    s.sip.listen("tcp", 5070)
    phones = [s.alice, s.bob, at(s.sip, "bob", "192.0.2.21:33000", transport="tcp")]
    chance = Random(1)
    confirmed = 0
    for _ in range(300):
        caller, callee = s.sides(chance.random() < 0.5)
        dialling, said = caller.invite(callee.name), list[Dialog]()
        for _ in range(chance.randrange(1, 10)):
            deed = chance.choice(["answer", "answer", "answer", "ACK", "INFO", "INVITE", "BYE", "cancel", "wait"])
            if deed == "answer":
                _answer_any(chance, phones)
            elif deed == "cancel":
                dialling.cancel()
            elif deed == "wait":
                s.pjsip.pass_time(chance.choice([0.1, 1.0, 33.0]))
            elif said:
                chance.choice(said).send(deed)
            responses = [sent.response for sent in caller.heard if not isinstance(sent.message, Request)]
            said = [dialling.learn(response) for response in responses if 100 < response.status < 300]
        confirmed += bool(s.pjsip.calls)
        for each in phones:
            each.take()
    assert confirmed > 50
    s.pjsip.pass_time(3 * LONGEST_SESSION)
    s.check_nothing_is_left()


def _answer_any(chance: Random, phones: list[Phone]) -> None:
    """One of the requests that a phone heard is answered somehow."""
    each = chance.choice(phones)
    asked = [sent for sent in each.heard if isinstance(sent.message, Request) and sent.message.method != "ACK"]
    if asked:
        sent = chance.choice(asked)
        status = chance.choice([180, 183, 200, 200, 486, 603] if sent.request.method == "INVITE" else [200, 481])
        each.answer(sent, status, tag=f"{each.flow.port}-{chance.randrange(2)}")
