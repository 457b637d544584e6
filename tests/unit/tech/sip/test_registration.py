"""We register at another server: made, refreshed, tried again, taken back, and what comes from there is known."""

from __future__ import annotations

import asyncio
import re
from itertools import count

import pytest

from support.sip_world import HERE, SERVER, Sent, SipWorld, aor, auth, phone, reply, request, settings
from support.virtual import settle
from switchroom.model.change import SipChange
from switchroom.model.settings import RegistrationSettings, TransportSettings
from switchroom.tech.sip.limits import MAX_EXPIRATION, MAX_RETRY_PAUSE
from switchroom.tech.sip.registration import State
from switchroom.tech.sip.transports import Listener

PROVIDER = "192.0.2.50"
SOURCE = f"{PROVIDER}:5060"
CHALLENGE = 'WWW-Authenticate: Digest realm="provider", nonce="{}", algorithm=MD5, qop="auth"\n'

_nonces = count()


def registration(**more: object) -> RegistrationSettings:
    values: dict[str, object] = {
        "name": "provider",
        "source": HERE,
        "server_uri": f"sip:{PROVIDER}",
        "client_uri": "sip:4711@provider.example",
        "contact_user": "alice",
        "outbound_auth": ("provider",),
        "max_random_initial_delay": 0,
    }
    return RegistrationSettings(**(values | more))  # type: ignore[arg-type]


def world(**more: object) -> SipWorld:
    return SipWorld(
        settings(
            phone("alice"),
            phone("trunk", auth=(), aors=()),
            aors=[aor("alice")],
            auths=[auth("alice"), auth("provider", realm="provider")],
            registrations={"provider": registration(**more)},
        )
    )


async def begun(**more: object) -> tuple[SipWorld, Sent]:
    w = world(**more)
    await w.start()
    (first,) = w.pass_time(0.1)
    return w, first


def granted(sent: Sent, seconds: int = 3600) -> str:
    return reply(sent, 200, f"Contact: {sent.request.first('contact')};expires={seconds}\n")


def answer(w: SipWorld, sent: Sent, status: int, extra: str = "") -> list[Sent]:
    return w.receive(reply(sent, status, extra), SOURCE)


def state(w: SipWorld) -> State:
    return w.sip._registrations.states()["provider"]


def later(w: SipWorld, seconds: float) -> list[Sent]:
    """The requests that are sent within this time, each once however often it is repeated."""
    return list({sent.request.via.branch: sent for sent in reversed(w.pass_time(seconds))}.values())


async def registered(seconds: int = 3600, **more: object) -> tuple[SipWorld, Sent]:
    w, first = await begun(**more)
    w.receive(granted(first, seconds), SOURCE)
    return w, first


async def test_a_register_says_who_we_are_and_where() -> None:
    w, first = await begun(support_path=True, support_outbound=True)
    r = first.request
    assert (r.method, r.target, first.to) == ("REGISTER", f"sip:{PROVIDER}", (PROVIDER, 5060))
    assert r.to.uri == r.from_.uri
    assert (str(r.to.uri), r.to.tag) == ("sip:4711@provider.example", None)
    assert r.lines("contact") == [f"<sip:alice@{SERVER}:5060>"]
    assert (r.expires, r.all("supported"), r.max_forwards) == (3600, ["path", "outbound"], 70)
    assert state(w) is State.TRYING


async def test_a_challenge_is_answered_and_the_registration_stands() -> None:
    w, first = await begun()
    (second,) = answer(w, first, 401, CHALLENGE.format("n1"))
    credentials = second.request.first("authorization") or ""
    assert 'username="provider"' in credentials
    assert f'uri="sip:{PROVIDER}"' in credentials
    assert second.request.call_id == first.request.call_id
    assert second.request.cseq.number == first.request.cseq.number + 1
    w.receive(granted(second), SOURCE)
    assert state(w) is State.REGISTERED


async def test_it_is_refreshed_before_it_ends_under_the_same_call_id() -> None:
    w, first = await registered(600)
    assert later(w, 300) == []
    (again,) = later(w, 299)
    assert again.request.call_id == first.request.call_id
    assert again.request.cseq.number > first.request.cseq.number
    assert again.request.lines("contact") == first.request.lines("contact")


@pytest.mark.parametrize(
    ("extra", "least", "most"),
    [
        ("Contact: <sip:other@192.0.2.77>;expires=7\nContact: <sip:alice@192.0.2.1:5060>;expires=100\n", 50, 99),
        ("Expires: 200\n", 100, 199),
        ("Contact: <sip:alice@192.0.2.1:5060>;expires=x\nExpires: y\n", 1800, 3599),
        ("", 1800, 3599),
        ("Contact: <sip:alice@192.0.2.1:5060>;expires=0\n", 5, 5),
        ("Contact: <sip:alice@192.0.2.1:5060>;expires=9999999999\n", 1800, 3599),
    ],
    ids=["our contact", "the header", "unreadable", "unsaid", "none", "more than asked"],
)
async def test_the_server_says_how_long_it_lasts(extra: str, least: int, most: int) -> None:
    w, first = await begun()
    answer(w, first, 200, extra)
    assert w.pass_time(least - 1) == []
    assert len(w.pass_time(most - least + 1.1)) >= 1


async def test_a_server_that_wants_longer_is_given_longer() -> None:
    w, first = await begun()
    answer(w, first, 423, "Min-Expires: 7200\n")
    (second,) = w.pass_time(0)
    assert second.request.expires == 7200


@pytest.mark.parametrize("wanted", ["60", "x", "", str(MAX_EXPIRATION + 1)])
async def test_a_server_that_wants_what_makes_no_sense_is_given_up(wanted: str) -> None:
    w, first = await begun()
    answer(w, first, 423, f"Min-Expires: {wanted}\n")
    assert w.pass_time(7200) == []
    assert state(w) is State.GIVEN_UP


async def test_a_server_that_wants_ever_longer_is_given_up() -> None:
    w, first = await begun()
    answer(w, first, 423, "Min-Expires: 7200\n")
    (second,) = w.pass_time(0)
    answer(w, second, 423, "Min-Expires: 7201\n")
    assert w.pass_time(7200) == []


async def test_a_server_that_challenges_for_ever_is_answered_twice() -> None:
    w, sent = await begun()
    attempts = 1
    while answers := answer(w, sent, 401, CHALLENGE.format(next(_nonces))):
        (sent,) = answers
        attempts += 1
    assert attempts == 3
    assert state(w) is State.GIVEN_UP
    assert w.pass_time(7200) == []


async def test_a_refusal_of_credentials_passes_where_that_is_said() -> None:
    w, first = await begun(auth_rejection_permanent=False, outbound_auth=())
    answer(w, first, 401, CHALLENGE.format("n"))
    assert state(w) is State.WAITING
    (_,) = later(w, 67)


@pytest.mark.parametrize("status", [408, 500, 503, 504, 600])
async def test_what_may_pass_is_tried_again_ever_later_and_not_for_ever(status: int) -> None:
    w, sent = await begun(max_retries=7)
    pauses = []
    for _ in range(7):
        assert answer(w, sent, status) == []
        before = w.clock.now
        while not (found := later(w, 1)):
            pass
        pauses.append(w.clock.now - before)
        (sent,) = found
    for pause, base in zip(pauses, (60, 120, 240, 480, 960, MAX_RETRY_PAUSE, MAX_RETRY_PAUSE), strict=True):
        assert base <= pause <= 1.1 * base + 1
    answer(w, sent, status)
    assert later(w, 2 * MAX_RETRY_PAUSE) == []
    assert state(w) is State.GIVEN_UP


async def test_a_server_that_is_silent_is_tried_again() -> None:
    w, _ = await begun()
    later(w, 33)
    assert state(w) is State.WAITING
    assert later(w, 67)


async def test_retry_after_is_waited_for() -> None:
    w, first = await begun()
    answer(w, first, 503, "Retry-After: 500 (back soon);duration=9\n")
    assert later(w, 499) == []
    (_,) = later(w, 52)


@pytest.mark.parametrize(
    ("status", "option"),
    [(403, "forbidden_retry_interval"), (404, "fatal_retry_interval"), (403, "fatal_retry_interval")],
)
async def test_a_final_refusal_is_final_unless_an_interval_says_otherwise(status: int, option: str) -> None:
    w, first = await begun()
    answer(w, first, status)
    assert state(w) is State.GIVEN_UP
    w, first = await begun(**{option: 30})
    answer(w, first, status)
    (_,) = later(w, 34)


async def test_after_a_success_it_begins_to_count_anew() -> None:
    w, first = await begun(max_retries=1)
    answer(w, first, 503)
    (second,) = later(w, 67)
    w.receive(granted(second, 60), SOURCE)
    (third,) = later(w, 59)
    answer(w, third, 503)
    assert state(w) is State.WAITING


async def test_a_server_behind_a_proxy() -> None:
    _, first = await begun(outbound_proxy="sip:192.0.2.60:5070;lr")
    assert first.to == ("192.0.2.60", 5070)
    assert first.request.lines("route") == ["<sip:192.0.2.60:5070;lr>"]
    assert first.request.target == f"sip:{PROVIDER}"


async def test_a_server_by_name_is_looked_up_and_its_next_target_tried() -> None:
    w = world(server_uri="sip:provider.example")
    w.addresses.located = {"provider.example": [("udp", "192.0.2.51", 5070), ("udp", "192.0.2.52", 5071)]}
    await w.start()
    w.pass_time(0)
    await settle()
    (first,) = w.sent()
    (second,) = answer(w, first, 503)
    assert (first.to, second.to) == (("192.0.2.51", 5070), ("192.0.2.52", 5071))


async def test_a_server_no_transport_leads_to_is_given_up_and_told() -> None:
    w = world(server_uri=f"sip:{PROVIDER};transport=tcp")
    await w.start()
    assert w.pass_time(100) == []
    assert state(w) is State.GIVEN_UP


async def test_a_start_is_spread() -> None:
    w = world(max_random_initial_delay=10)
    await w.start()
    assert later(w, 0) == []
    assert len(later(w, 10)) == 1


# ---- the end


async def test_a_stop_takes_the_registration_back_and_waits_for_the_answer() -> None:
    w, first = await registered()
    stopping = asyncio.create_task(w.sip.stop())
    await settle()
    (last,) = w.sent()
    assert last.request.expires == 0
    assert last.request.lines("contact") == first.request.lines("contact")
    assert last.request.call_id == first.request.call_id
    assert last.request.cseq.number > first.request.cseq.number
    assert not stopping.done()
    answer(w, last, 200)
    await settle()
    assert stopping.done()
    assert w.pass_time(7200) == []


async def test_a_stop_does_not_wait_for_a_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchroom.tech.sip.registration.UNREGISTER_SECONDS", 0.0)
    w, _ = await registered()
    await w.sip.stop()


async def test_what_was_never_registered_is_not_taken_back() -> None:
    w, first = await begun()
    answer(w, first, 403)
    await w.sip.stop()
    assert w.sent() == []


# ---- the configuration changes


async def test_a_registration_that_is_gone_ends_and_one_that_is_different_follows_it() -> None:
    w, _ = await registered()
    w.sip.apply(SipChange(registrations={"provider": registration(client_uri="sip:4712@provider.example")}))
    (last,) = w.sent()
    assert (last.request.expires, str(last.request.to.uri)) == (0, "sip:4711@provider.example")
    answer(w, last, 200)
    (new,) = w.pass_time(0)
    assert (new.request.expires, str(new.request.to.uri)) == (3600, "sip:4712@provider.example")
    w.receive(granted(new), SOURCE)
    w.sip.apply(SipChange(registrations={"provider": None}))
    (last,) = w.sent()
    assert last.request.expires == 0
    answer(w, last, 200)
    assert w.pass_time(7200) == []


async def test_of_several_changes_in_a_row_the_last_one_holds() -> None:
    w, _ = await registered()
    for user in ("4712", "4713"):
        w.sip.apply(SipChange(registrations={"provider": registration(client_uri=f"sip:{user}@provider.example")}))
    (last,) = w.sent()
    answer(w, last, 200)
    assert [str(sent.request.to.uri) for sent in later(w, 30)] == ["sip:4713@provider.example"]


async def test_new_credentials_are_tried_at_once_where_the_old_were_refused() -> None:
    w, first = await begun(outbound_auth=("provider",))
    (second,) = answer(w, first, 401, CHALLENGE.format("a"))
    answer(w, second, 403)
    assert state(w) is State.GIVEN_UP
    w.sip.apply(SipChange(auths={"provider": auth("provider", realm="provider", password="another")}))
    (third,) = w.pass_time(0)
    (fourth,) = answer(w, third, 401, CHALLENGE.format("b"))
    assert fourth.request.first("authorization") != second.request.first("authorization")


# ---- what comes back


async def test_what_comes_to_our_line_is_known_to_be_from_the_endpoint() -> None:
    w, first = await registered(line=True, endpoint="trunk")
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    contact = first.request.contacts[0].uri
    assert re.fullmatch(r"[0-9a-f]{16}", contact.param("line") or "")
    text = request("MESSAGE", "stranger", target=str(contact), extra="Content-Type: text/plain\n", body="hi")
    w.receive(text, SOURCE)
    await settle()
    sent = [s for s in w.sent() if s.data.startswith(b"MESSAGE")]
    assert [s.to for s in sent] == [("192.0.2.9", 5090)]


async def test_a_call_to_our_line_rings_whom_it_is_for() -> None:
    w, first = await registered(line=True, endpoint="trunk")
    w.register("alice", "<sip:alice@192.0.2.9:5090>")
    contact = first.request.contacts[0].uri
    sent = w.receive(
        request("INVITE", "stranger", target=str(contact), extra="Contact: <sip:far@192.0.2.50>\n"), SOURCE
    )
    assert [s.to for s in sent if s.data.startswith(b"INVITE")] == [("192.0.2.9", 5090)]
    assert [s.response.status for s in sent if s.data.startswith(b"SIP")] == [100]


@pytest.mark.parametrize("line", ["", ";line", ";line=", ";line=0123456789abcdef"])
async def test_another_line_is_nobodys(line: str) -> None:
    w, _ = await registered(line=True, endpoint="trunk")
    text = request(
        "MESSAGE", "stranger", target=f"sip:alice@{SERVER}{line}", extra="Content-Type: text/plain\n", body="hi"
    )
    (refused,) = w.receive(text, SOURCE)
    assert refused.response.status == 401


async def test_a_line_ends_with_its_registration() -> None:
    w, first = await registered(line=True, endpoint="trunk")
    w.sip.apply(SipChange(registrations={"provider": None}))
    w.sent()
    target = str(first.request.contacts[0].uri)
    text = request("MESSAGE", "stranger", target=target, extra="Content-Type: text/plain\n", body="hi")
    (refused,) = w.receive(text, SOURCE)
    assert refused.response.status == 401


# ---- over a connection


class Connections:
    """One connection at a time, which tests close."""

    def __init__(self) -> None:
        self.open = False

    def connected(self, host: str, port: int) -> bool:
        return self.open

    async def connect(self, host: str, port: int, server_name: str) -> None:
        self.open = True


async def over_tcp() -> tuple[SipWorld, Connections, list[bytes]]:
    w, connections, pings = world(server_uri=f"sip:{PROVIDER};transport=tcp"), Connections(), []

    def leave(data: bytes, host: str, port: int) -> None:
        if data == b"\r\n\r\n":
            pings.append(data)
        else:
            w._leave(data, host, port)

    transport = TransportSettings(name="tcp", source=HERE, protocol="tcp", bind_host=SERVER)
    w.sip.attach(Listener(transport, SERVER, 5060, leave, lambda peer: SERVER, connections))
    await w.start()
    w.pass_time(0)
    await settle()
    (first,) = w.sent()
    assert first.request.lines("contact") == [f"<sip:alice@{SERVER}:5060;transport=tcp>"]
    w.receive(granted(first, 600), SOURCE)
    return w, connections, pings


async def test_the_connection_is_kept_open_until_the_next_refresh() -> None:
    w, _, pings = await over_tcp()
    assert w.pass_time(100) == []
    assert len(pings) == 3
    assert len(w.pass_time(499)) == 1


async def test_a_connection_that_is_lost_is_made_again() -> None:
    w, connections, _ = await over_tcp()
    connections.open = False
    w.pass_time(31)
    await settle()
    assert [sent.request.method for sent in w.sent()] == ["REGISTER"]
