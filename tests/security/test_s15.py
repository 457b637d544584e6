"""S15: a referral leads to endpoints and trunks of ours alone, comes from who proved it, no oftener than by hand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import structlog

from support.call_world import Exchange, Phone, at, exchange, exchange_beside
from support.sip_world import HERE, SERVER, Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings
from switchroom.core.security import Offence
from switchroom.model.settings import ChanSipSettings, PeerSettings
from switchroom.tech.sip.chan_sip import ChanSip
from switchroom.tech.sip.limits import REFERRAL_WINDOW, REFERRALS_PER_WINDOW
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.message import Response

PHONE = "192.0.2.9:5090"
CAROL = "192.0.2.5:5060"


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


async def world() -> SipWorld:
    w = await SipWorld(
        settings(
            phone("alice"),
            phone("bob"),
            phone("carol"),
            phone("away"),
            phone("open", auth=()),
            phone("trunk", auth=()),
            aors=[
                *(aor("alice"), aor("bob", contact=("sip:bob@192.0.2.6",)), aor("away"), aor("open")),
                *(aor("carol", contact=(f"sip:carol@{CAROL}",)), aor("trunk", contact=("sip:gw@198.51.100.9",))),
            ],
            auths=[auth("alice"), auth("bob"), auth("carol"), auth("away")],
            domain_aliases={"alias.example": "example.org"},
        )
    ).start()
    w.sent()
    return w


def referral(
    refer_to: str | None = f"Refer-To: <sip:bob@{SERVER}>\n", *, user: str = "alice", to: str = "carol", extra: str = ""
) -> str:
    headers = f"{refer_to or ''}Contact: <sip:{user}@{PHONE}>\n{extra}"
    return request("REFER", user, target=f"sip:{to}@{SERVER}", to=f"<sip:{to}@{SERVER}>", extra=headers)


def proven(w: SipWorld, text: str, user: str = "alice") -> list[Sent]:
    (challenge,) = w.receive(text, PHONE)
    assert challenge.response.status == 401
    return w.receive(authorized(text, challenge.response, user), PHONE)


def status(sent: list[Sent]) -> int:
    """Of the one answer; anything sent to somebody else fails the test."""
    (only,) = sent
    assert only.to == ("192.0.2.9", 5090)
    return only.response.status


# ---- what passes


@pytest.mark.parametrize(
    "refer_to",
    [
        f"<sip:bob@{SERVER}>",
        f"<sip:bob@{SERVER}:5060;transport=udp>",
        f'"Bob B" <sip:bob@{SERVER}>',
        f"sip:bob@{SERVER}",
        "<sip:bob@alias.example>",
        "<sip:+4930123@198.51.100.9>",
        "<sip:+4930123@198.51.100.9:5060;user=phone>",
    ],
)
async def test_what_names_an_endpoint_or_a_trunk_passes_as_it_came(
    refer_to: str, logged: list[dict[str, object]]
) -> None:
    w = await world()
    (passed,) = proven(w, referral(f"Refer-To: {refer_to}\n"))
    assert passed.to == ("192.0.2.5", 5060)
    assert passed.request.method == "REFER"
    assert passed.request.first("refer-to") == refer_to
    assert passed.request.first("authorization") is None
    assert passed.request.lines("record-route")
    assert any(line["event"] == "a referral is passed on" and line["endpoint"] == "alice" for line in logged)


def notify(passed: Sent, cseq: int, fragment: str, state: str = "active") -> str:
    r = passed.request
    routes = "".join(f"Route: {route}\n" for route in r.all("record-route"))
    body = f"SIP/2.0 {fragment}\r\n"
    return (
        f"NOTIFY sip:alice@{PHONE} SIP/2.0\nVia: SIP/2.0/UDP {CAROL};branch=z9hG4bKn{cseq}\n{routes}"
        f"Max-Forwards: 70\nFrom: <sip:carol@{SERVER}>;tag=phone\nTo: {r.first('from')}\nCall-ID: {r.call_id}\n"
        f"CSeq: {cseq} NOTIFY\nEvent: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\n"
        f"Content-Length: {len(body)}\n\n{body}"
    )


async def test_the_answer_and_the_notifies_come_back_to_who_referred() -> None:
    w = await world()
    (passed,) = proven(w, referral())
    routes = "".join(f"Record-Route: {route}\n" for route in passed.request.all("record-route"))
    (answer,) = w.receive(reply(passed, 202, f"Contact: <sip:carol@{CAROL}>\n{routes}"), CAROL)
    assert (answer.to, answer.response.status) == (("192.0.2.9", 5090), 202)
    for n, (fragment, state) in enumerate((("100 Trying", "active"), ("200 OK", "terminated;reason=noresource")), 1):
        told = [s for s in w.receive(notify(passed, n, fragment, state), CAROL) if not isinstance(s.message, Response)]
        assert [(s.to, s.request.method) for s in told] == [(("192.0.2.9", 5090), "NOTIFY")]
        assert fragment.encode() in told[0].request.body
        (ok,) = w.receive(reply(told[0]), PHONE)
        assert (ok.to, ok.response.status) == (("192.0.2.5", 5060), 200)
    (gone,) = w.receive(notify(passed, 3, "200 OK"), CAROL)
    assert gone.response.status in (401, 407, 481)


# ---- what does not


@pytest.mark.parametrize(
    "refer_to",
    [
        *("<tel:+900123456>", "<tel:bob>", "<mailto:bob@example.org>", "<http://example.org/>", "<cid:x@y>"),
        *("<sip:+900123456@premium.example>", "<sip:bob@evil.example>", "<sips:bob@evil.example>"),
        *(f"<sip:bob@{SERVER}:5080>", "<sip:bob@192.0.2.7>", "<sip:bob@127.0.0.1>", "<sip:bob@[::1]>"),
        *("<sip:+900@198.51.100.9:5099>", "<sip:198.51.100.9>"),
        f"<sip:bob@{SERVER}?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        f"<sip:bob@{SERVER}?Route=%3Csip:evil.example%3Blr%3E>",
        *(f"<sip:bob@{SERVER};method=BYE>", f"<sip:bob@{SERVER};method=INVITE>", f"<sip:bob@{SERVER};METHOD=BYE>"),
        *(f"<sip:bob@{SERVER};maddr=203.0.113.9>", f"<sip:bob@{SERVER};lr>", f"<sip:bob:secret@{SERVER}>"),
        *(f"<sip:carol@{SERVER}>", "<sip:carol@alias.example>", f"<sip:c%61rol@{SERVER}>"),
    ],
)
async def test_what_leads_elsewhere_is_refused_and_told(refer_to: str, logged: list[dict[str, object]]) -> None:
    w = await world()
    assert status(proven(w, referral(f"Refer-To: {refer_to}\n"))) == 403
    w.pass_time(1)
    events = [line for line in logged if line["event"] == "security event"]
    assert [(e["offence"], e["source"], e["account"]) for e in events] == [
        (Offence.REFUSED_REFER_TO.value, "192.0.2.9", "alice")
    ]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ("", 400),
        (f"Refer-To: <sip:bob@{SERVER}>, <tel:+900>\n", 400),
        ("Refer-To: <\n", 400),
        ("Refer-To: bob\n", 400),
        (f"Refer-To: sip:bob@{SERVER}?Replaces=x\n", 400),
        (f"Refer-To: <sip:nobody@{SERVER}>\n", 404),
        (f"Refer-To: <sip:{SERVER}>\n", 404),
        (f"Refer-To: <sip:%FF@{SERVER}>\n", 400),
    ],
)
async def test_what_is_not_one_refer_to_is_refused(headers: str, code: int) -> None:
    assert status(proven(await world(), referral(headers))) == code


@pytest.mark.parametrize("second", [f"Refer-To: <sip:bob@{SERVER}>", "r: <tel:+900>"])
async def test_several_refer_to_are_none(second: str) -> None:
    w = await world()
    assert status(w.receive(referral(f"Refer-To: <sip:bob@{SERVER}>\n{second}\n"), PHONE)) == 400


@pytest.mark.parametrize("meant", [f"sip:+900@{SERVER}", f"sip:+900@{SERVER};transport=udp"])
async def test_a_number_behind_a_trunk_on_this_machine_is_not_named_by_our_address(meant: str) -> None:
    x = await exchange("alice", "bob", endpoints=[phone("trunk")], aors=[aor("trunk", contact=(f"sip:{SERVER}:5090",))])
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    for uri, refer_to in ((f"sip:bob@{SERVER}", meant), (meant, f"sip:bob@{SERVER}")):
        headers = f"Refer-To: <{refer_to}>\nContact: <{alice.contact}>\n"
        alice._proven(alice._outside("REFER", uri, uri, headers))
        assert (alice.statuses(), bob.methods(), x.lost) == ([404], [], [])


@pytest.mark.parametrize(("to", "code"), [("nobody", 404), ("away", 480), ("alice", 403)])
async def test_who_is_not_there_is_not_referred(to: str, code: int) -> None:
    """And nobody refers themselves: it would come back."""
    w = await world()
    w.register("alice", f"<sip:alice@{PHONE}>", source=PHONE)
    w.sent()
    assert status(proven(w, referral(to=to))) == code


async def test_another_phone_of_ones_own_may_be_referred() -> None:
    w = await world()
    w.register("alice", f"<sip:alice@{PHONE}>", source=PHONE)
    w.register("alice", "<sip:desk@192.0.2.44>", source="192.0.2.44:5060")
    w.sent()
    w.register("alice", f"<sip:alice@{PHONE}>", source=PHONE)
    w.sent()
    (passed,) = proven(w, referral(to="alice"))
    assert passed.to == ("192.0.2.44", 5060)


async def test_a_device_is_referred_by_its_own_uri() -> None:
    """RFC 5627: that one and no other; a referral of a phone to itself is known by that name too."""
    w = await world()
    instance = '+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
    answer = w.register("away", f"<sip:w@{PHONE}>;{instance}", extra="Supported: gruu\n")
    gruu = answer.contacts[0].params["pub-gruu"]
    w.register("away", "<sip:later@192.0.2.45>")
    w.sent()
    text = referral().replace(f"REFER sip:carol@{SERVER}", f"REFER {gruu}")
    (passed,) = proven(w, text)
    assert passed.request.target == f"sip:w@{PHONE}"
    assert status(proven(w, text.replace("z9hG4bK-", "z9hG4bK-x").replace(f"<sip:bob@{SERVER}>", f"<{gruu}>"))) == 403


@pytest.mark.parametrize("by", [f"<sip:bob@{SERVER}>", "<sip:boss@evil.example>", "<tel:+1>", f"<sip:{SERVER}>"])
async def test_nobody_refers_in_the_name_of_another(by: str) -> None:
    assert status(proven(await world(), referral(extra=f"Referred-By: {by}\n"))) == 403


async def test_who_refers_may_say_so() -> None:
    (passed,) = proven(await world(), referral(extra=f"Referred-By: <sip:alice@{SERVER}>\n"))
    assert passed.request.first("referred-by") == f"<sip:alice@{SERVER}>"


# ---- who refers


@pytest.mark.parametrize("user", ["alice", "stranger"])
async def test_without_a_password_nothing_passes(user: str) -> None:
    w = await world()
    assert status(w.receive(referral(user=user), PHONE)) == 401
    (challenge,) = w.receive(text := referral(user=user), PHONE)
    assert status(w.receive(authorized(text, challenge.response, user, "wrong"), PHONE)) == 401


@pytest.mark.parametrize("user", ["open", "trunk"])
async def test_who_is_known_by_name_or_address_alone_refers_nobody(user: str) -> None:
    assert status((await world()).receive(referral(user=user), PHONE)) == 403


async def test_a_to_tag_is_no_way_around() -> None:
    w = await world()
    text = referral().replace(f"To: <sip:carol@{SERVER}>", f"To: <sip:carol@{SERVER}>;tag=guess")
    assert status(proven(w, text)) == 481


async def talkers() -> tuple[Exchange, Phone, Phone]:
    x = await exchange("alice", "bob")
    return x, at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")


EXPENSIVE = "Refer-To: <tel:+900>\nContact: <sip:a@192.0.2.10>\n"


async def test_a_phone_that_only_rings_is_not_referred_in_its_early_dialog() -> None:
    """Nobody has taken the call yet: that is no dialog in which two parties talk."""
    _, alice, bob = await talkers()
    dialling = alice.invite("bob")
    ringing = bob.answer(bob.got("INVITE"), 180)
    early = dialling.learn(alice.got(180).response)
    early.send("REFER", extra=EXPENSIVE)
    assert alice.statuses()[-1] == 403
    ringing.send("REFER", extra=EXPENSIVE)
    assert bob.statuses()[-1] == 403
    assert (alice.methods(), bob.methods()) == ([], ["INVITE"])
    assert ringing.came is not None
    bob.answer(ringing.came, 200)
    early.send("ACK")
    early.send("REFER", extra=EXPENSIVE)
    assert bob.methods() == ["ACK", "REFER"]


async def test_the_dialog_of_one_referral_is_no_way_for_another() -> None:
    _, alice, bob = await talkers()
    text = alice._outside(
        "REFER", f"sip:bob@{SERVER}", "bob", f"Refer-To: <sip:alice@{SERVER}>\nContact: <{alice.contact}>\n"
    )
    sent = alice._proven(text)
    first = bob.got("REFER")
    referred = bob.answer(first, 202)
    lines = dict(line.partition(": ")[::2] for line in sent.partition("\n\n")[0].split("\n"))
    again = (
        f"REFER {bob.contact} SIP/2.0\n{alice.via('z9hG4bKagain')}Max-Forwards: 70\nFrom: {lines['From']}\n"
        f"To: {referred.local}\nCall-ID: {lines['Call-ID']}\nCSeq: 9 REFER\n{EXPENSIVE}Content-Length: 0\n\n"
    )
    alice.send(again)
    assert alice.statuses()[-1] == 403
    assert bob.methods() == ["REFER"]


async def test_who_is_referred_does_not_lead_the_referral_elsewhere() -> None:
    """Calls may be redirected where the administrator says so; a referral was judged for one phone."""
    x = await exchange(
        "alice", "carol", endpoints=[phone("bob", follow_redirect_methods=("invite",))], aors=[aor("bob")]
    )
    alice, bob, carol = (at(x, name, f"192.0.2.1{n}:5060") for n, name in enumerate(("alice", "bob", "carol")))
    refer_to = f"Refer-To: <sip:alice@{SERVER}>\nContact: <{alice.contact}>\n"
    alice._proven(alice._outside("REFER", f"sip:bob@{SERVER}", "bob", refer_to))
    bob.answer(bob.got("REFER"), 302, extra=f"Contact: <sip:carol@{SERVER}>\n")
    assert alice.statuses() == [302]
    assert carol.methods() == []


# ---- between technologies


class Beside:
    """alice, dora, 900 and a trunk in pjsip.conf; bob, erin and a trunk in sip.conf; twin and a provider in both."""

    def __init__(self, pjsip: Exchange, sip: Exchange) -> None:
        self.pjsip, self.sip = pjsip, sip
        self.alice = at(pjsip, "alice", PHONE)
        self.bob = at(sip, "bob", "192.0.2.20:5062")
        self.others = [at(pjsip, "dora", "192.0.2.11:5060"), at(sip, "erin", "192.0.2.21:5062")]
        self.twins = at(pjsip, "twin", "192.0.2.12:5060"), at(sip, "twin", "192.0.2.22:5062")

    def refers(self, who: Phone, refer_to: str = f"<sip:dora@{SERVER}>", *, to: str = "bob", extra: str = "") -> None:
        uri = to if ":" in to else f"sip:{to}@{SERVER}"
        headers = f"Contact: <{who.contact}>\nRefer-To: {refer_to}\n{extra}"
        who._proven(who._outside("REFER", uri, to, headers))

    def check_nobody_was_referred(self) -> None:
        phones = (self.alice, self.bob, *self.others, *self.twins)
        assert [phone.methods() for phone in phones] == [[]] * len(phones)
        assert self.pjsip.lost == []
        assert self.pjsip.calls == 0


async def beside() -> Beside:
    names = ("alice", "dora", "twin", "900")
    configured = settings(
        *(phone(name) for name in names),
        *(phone(name, auth=()) for name in ("open", "trunk", "provider")),
        aors=[
            *(aor(name) for name in (*names, "open")),
            aor("trunk", contact=("sip:gw@198.51.100.9",)),
            aor("provider", contact=("sip:gw@198.51.100.77",)),
        ],
        auths=[auth(name) for name in names],
        domain_aliases={"alias.example": "example.org", "both.example": "example.org"},
    )
    pjsip = Exchange(await SipWorld(configured).start())
    sip = await exchange_beside(
        pjsip,
        *("bob", "erin", "twin", "away"),
        endpoints=[phone("line", auth=()), phone("provider", auth=()), phone("alias", auth=())],
        aors=[
            *(aor("line", contact=("sip:gw@203.0.113.9:5080",)), aor("provider", contact=("sip:gw@198.51.100.77",))),
            aor("alias", contact=("sip:gw@both.example",)),
        ],
    )
    return Beside(pjsip, sip)


@pytest.mark.parametrize(
    "refer_to",
    [
        *(f"<sip:dora@{SERVER}>", f"<sip:erin@{SERVER}>", f"<sip:dora@{SERVER}:5070>", "<sip:dora@alias.example>"),
        *("<sip:+4930123@198.51.100.9>", "<sip:+4930123@203.0.113.9:5080>", f'"Me" <sip:alice@{SERVER}>'),
    ],
)
async def test_across_what_both_would_call_passes_as_it_came(refer_to: str) -> None:
    b = await beside()
    b.refers(b.alice, refer_to)
    assert b.bob.got("REFER").request.first("refer-to") == refer_to
    assert b.bob.got("REFER").request.first("authorization") is None
    assert b.bob.methods() == ["REFER"]
    assert all(each.heard == [] for each in (*b.others, *b.twins))


@pytest.mark.parametrize(
    ("refer_to", "code"),
    [
        *(("<tel:+900123456>", 403), ("<sip:+900123456@premium.example>", 403), ("<sip:bob@192.0.2.7>", 403)),
        *((f"<sip:dora@{SERVER}:5080>", 403), ("<sip:+900@203.0.113.9>;x=y, <sip:a@b>", 400)),
        *(("<sip:+900@203.0.113.9:5099>", 403), (f"<sip:900123@{SERVER}:5070>", 404), (f"<sip:nobody@{SERVER}>", 404)),
        *((f"<sip:dora@{SERVER};maddr=203.0.113.9>", 403), (f"<sip:dora@{SERVER}:5070?Replaces=a%3Bto-tag%3D1>", 403)),
        *((f"<sip:erin@{SERVER};method=BYE>", 403), (f"<sip:erin:secret@{SERVER}>", 403)),
        # It would call itself, at whichever socket.
        *((f"<sip:bob@{SERVER}>", 403), (f"<sip:bob@{SERVER}:5070>", 403), ("<sip:bob@203.0.113.9:5080>", 403)),
        # Somebody else for who is referred: a namesake, a number that another account pays for, or that a name becomes.
        *((f"<sip:twin@{SERVER}>", 403), ("<sip:+900@198.51.100.77>", 403), ("<sip:900@both.example>", 403)),
    ],
)
async def test_across_nothing_else_passes_and_it_is_told(
    refer_to: str, code: int, logged: list[dict[str, object]]
) -> None:
    b = await beside()
    b.refers(b.alice, refer_to)
    assert b.alice.statuses()[-1] == code
    b.check_nobody_was_referred()
    b.pjsip.pass_time(1)
    told = [(e["offence"], e["account"]) for e in logged if e["event"] == "security event"]
    assert told == [(Offence.REFUSED_REFER_TO.value, "alice")]


@pytest.mark.parametrize(
    ("to", "code"),
    [
        *(("nobody", 404), ("away", 480), (f"sip:nobody@{SERVER}:5070", 404)),
        *(("sip:+4930123@203.0.113.9:5080", 404), ("sip:+4930123@198.51.100.9", 404), ("tel:bob", 404)),
        # As for calls: a name in the file of who refers comes first, its trunk too.
        *(("900", 480), ("sip:bob@198.51.100.9", 404)),
    ],
)
async def test_across_nobody_but_an_endpoint_that_is_there_is_referred(to: str, code: int) -> None:
    b = await beside()
    b.refers(b.alice, to=to)
    assert b.alice.statuses()[-1] == code
    b.check_nobody_was_referred()


async def test_across_a_namesake_is_not_referred_instead() -> None:
    b = await beside()
    for referrer, referred in zip((b.alice, b.bob), b.twins, strict=True):
        b.refers(referrer, to="twin")
        assert referred.methods() == ["REFER"]
        assert b.twins[b.twins[0] is referred].methods() == []


@pytest.mark.parametrize(
    ("meant", "passes"), [(f"twin@{SERVER}", True), (f"twin@{SERVER}:5070", False), (f"erin@{SERVER}:5070", True)]
)
async def test_the_address_of_the_other_technology_does_not_lead_to_a_namesake_there(meant: str, passes: bool) -> None:
    """The phone may well have an account at both."""
    b = await beside()
    b.refers(b.alice, f"<sip:{meant}>", to="dora")
    assert b.others[0].methods() == ["REFER"][:passes]
    assert b.alice.statuses() == [403][passes:]


async def test_across_a_device_is_referred_by_its_own_uri_and_not_to_itself() -> None:
    b = await beside()
    there = b.twins[1]
    there.register("Supported: gruu\n", f'<{there.contact}>;+sip.instance="<urn:uuid:1>"')
    gruu = f"sip:twin@{SERVER};gr=urn:uuid:1"
    b.refers(b.alice, to=gruu)
    assert (there.methods(), b.twins[0].methods()) == (["REFER"], [])
    b.refers(b.alice, f"<{gruu}>", to=gruu)
    assert (b.alice.statuses()[-1], there.methods()) == (403, [])
    b.refers(b.alice, f"<{gruu}>")
    assert b.bob.methods() == ["REFER"]


@pytest.mark.parametrize("by", [f"<sip:bob@{SERVER}>", f"<sip:dora@{SERVER}>", "<sip:boss@evil.example>"])
async def test_across_nobody_refers_in_the_name_of_another(by: str) -> None:
    b = await beside()
    b.refers(b.alice, extra=f"Referred-By: {by}\n")
    assert b.alice.statuses()[-1] == 403
    b.check_nobody_was_referred()


async def test_across_a_password_is_needed_as_well_and_it_is_one_of_that_socket() -> None:
    b = await beside()
    stranger = at(b.pjsip, "mallory", "192.0.2.66:5060", register=False)
    for name in ("bob", "nobody"):
        headers = f"Contact: <{stranger.contact}>\nRefer-To: <sip:dora@{SERVER}>\n"
        stranger.send(stranger._outside("REFER", f"sip:{name}@{SERVER}", name, headers))
    assert stranger.statuses() == [401, 401]
    nameless = at(b.pjsip, "open", "192.0.2.67:5060", register=False)
    b.refers(nameless)
    assert nameless.statuses() == [403]
    foreign = Phone(b.sip, "alice", Flow("udp", "udp", "192.0.2.68", 5060), "sip:alice@192.0.2.68")
    b.refers(foreign)
    assert foreign.statuses() == [401]
    b.check_nobody_was_referred()


async def test_across_who_calls_from_its_address_without_a_password_refers_nobody() -> None:
    """``insecure=invite`` of sip.conf is about calls."""
    pjsip = await exchange("dora", "alice")
    alice, _ = at(pjsip, "alice", PHONE), at(pjsip, "dora", "192.0.2.11:5060")
    sip = settings(phone("gate"), aors=[aor("gate", contact=("sip:192.0.2.70:5062",))], auths=[auth("gate")])
    gate = PeerSettings(
        name="gate", source=HERE, user=True, peer=True, host="192.0.2.70", port=5062, insecure=("invite", "port")
    )
    driver = partial(ChanSip, lambda: ChanSipSettings(peers={"gate": gate}, sip=sip))
    world = SipWorld(sip, name="SIP", driver=driver, port=5070, beside=pjsip.world)
    await world.sip.start()
    caller = at(Exchange(world, pjsip), "gate", "192.0.2.70:5062", register=False)
    headers = f"Contact: <{caller.contact}>\nRefer-To: <sip:dora@{SERVER}>\n"
    caller.send(caller._outside("REFER", f"sip:alice@{SERVER}", "alice", headers))
    assert caller.statuses() == [401]
    assert alice.methods() == []
    caller._proven(caller._outside("REFER", f"sip:alice@{SERVER}", "alice", headers))
    assert alice.methods() == ["REFER"]


async def test_across_who_is_referred_does_not_lead_the_referral_elsewhere() -> None:
    pjsip = await exchange("alice", "dora")
    sip = await exchange_beside(pjsip, endpoints=[phone("bob", follow_redirect_methods=("invite",))], aors=[aor("bob")])
    alice, dora = at(pjsip, "alice", PHONE), at(pjsip, "dora", "192.0.2.11:5060")
    bob = at(sip, "bob", "192.0.2.20:5062")
    headers = f"Contact: <{alice.contact}>\nRefer-To: <sip:alice@{SERVER}>\n"
    alice._proven(alice._outside("REFER", f"sip:bob@{SERVER}", "bob", headers))
    bob.answer(bob.got("REFER"), 302, extra=f"Contact: <sip:dora@{SERVER}>\n")
    assert (alice.statuses(), dora.methods()) == ([302], [])


async def test_across_referrals_count_with_the_others() -> None:
    b = await beside()
    for n in range(REFERRALS_PER_WINDOW):
        b.refers(b.alice, f"<sip:erin@{SERVER}>", to=("bob", "dora")[n % 2])
    assert len(b.bob.methods()) == REFERRALS_PER_WINDOW // 2
    b.refers(b.alice)
    assert b.alice.statuses()[-1] == 503
    assert b.bob.methods() == []
    # The other technology's accounts are others.
    b.refers(b.bob, to="dora")
    assert "REFER" in b.others[0].methods()


# ---- how often


async def test_an_account_refers_so_often_and_no_more_until_its_time_has_passed() -> None:
    w = await world()
    for _ in range(REFERRALS_PER_WINDOW):
        assert proven(w, referral())[0].request.method == "REFER"
    (refused,) = proven(w, referral())
    assert refused.response.status == 503
    assert refused.response.first("retry-after") == str(int(REFERRAL_WINDOW))
    # Somebody else still may.
    (passed,) = proven(w, referral(user="bob", refer_to=f"Refer-To: <sip:alice@{SERVER}>\n"), "bob")
    assert passed.request.method == "REFER"
    w.pass_time(REFERRAL_WINDOW)
    assert any(not isinstance(s.message, Response) for s in proven(w, referral()))


async def test_a_thousand_at_once_cost_a_thousand_answers_and_no_memory() -> None:
    w = await world()
    for _ in range(1_000):
        proven(w, referral("Refer-To: <tel:+900>\n"))
    assert len(w.sip._proxy.calls) == 0
