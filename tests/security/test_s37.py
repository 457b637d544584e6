"""S37: our credentials are for the realm and the server they were configured for, and asked for twice at most."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from support.sip_world import HERE, Sent, SipWorld, aor, auth, phone, reply, settings
from switchroom.model.settings import RegistrationSettings, SipEndpointSettings
from switchroom.tech.sip.exchange import Exchange, Outcome
from switchroom.tech.sip.limits import MAX_CHALLENGES
from switchroom.wire.sip.uri import parse_uri

PROVIDER, OTHER = "192.0.2.50", "198.51.100.66"
_serial = count()


def challenge(realm: str = "provider.example", kind: str = "WWW-Authenticate") -> str:
    return f'{kind}: Digest realm="{realm}", nonce="n{next(_serial)}", algorithm=MD5, qop="auth"\n'


async def world(*, realm: str = "provider.example", **of_trunk: object) -> SipWorld:
    trunk = phone("trunk", auth=(), outbound_auth=("out",), **of_trunk)
    w = await SipWorld(
        settings(
            phone("alice"),
            trunk,
            aors=[aor("alice"), aor("trunk", contact=(f"sip:{PROVIDER}",))],
            auths=[auth("alice"), auth("out", username="us", password="secret", realm=realm)],
        )
    ).start()
    w.addresses.known = {"sip.provider.example": [PROVIDER], "provider.example.evil.example": [OTHER]}
    return w


async def first(w: SipWorld, to: str) -> Sent:
    await w.messages.send(to, "alice", "hello", {})
    for _ in range(3):
        await asyncio.sleep(0)
    (sent,) = w.sent()
    return sent


def answered(w: SipWorld, sent: Sent, status: int, extra: str) -> list[Sent]:
    return w.receive(reply(sent, status, extra), f"{sent.to[0]}:{sent.to[1]}")


def proves(sent: list[Sent]) -> bool:
    """Whether credentials left."""
    return any(s.request.first("authorization") or s.request.first("proxy-authorization") for s in sent)


@pytest.mark.parametrize(
    ("to", "given"),
    [
        ("pjsip:trunk", True),
        (f"pjsip:trunk/sip:bob@{PROVIDER}", True),
        (f"pjsip:trunk/sip:bob@{PROVIDER}:5099", True),
        ("pjsip:trunk/sip:bob@sip.provider.example", True),
        (f"pjsip:trunk/sip:bob@{OTHER}", False),
        (f"pjsip:trunk/sip:bob@{PROVIDER};maddr={OTHER}", False),
        (f"pjsip:trunk/sip:{PROVIDER}@{OTHER}", False),
        ("pjsip:trunk/sip:bob@provider.example.evil.example", False),
    ],
)
@pytest.mark.parametrize(("status", "kind"), [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")])
@pytest.mark.parametrize("realm", ["provider.example", "", "*"])
async def test_they_are_for_the_servers_that_the_endpoint_names(
    to: str, given: bool, status: int, kind: str, realm: str
) -> None:
    w = await world(realm=realm)
    named = realm in ("", "*") and "sip.provider" in to
    sent = answered(w, await first(w, to), status, challenge(kind=kind))
    # Without a realm only the permanent contact says which server is meant.
    assert proves(sent) is (given and not named)


@pytest.mark.parametrize("realm", ["evil", "provider.example.evil", "", "provider"])
async def test_they_are_for_their_realm(realm: str) -> None:
    w = await world()
    assert answered(w, await first(w, "pjsip:trunk"), 401, challenge(realm)) == []
    assert [d.status_code for d in w.deliveries] == [401]


async def test_a_redirection_takes_them_nowhere() -> None:
    w = await world(follow_redirect_methods=("message",))
    sent = await first(w, "pjsip:trunk")
    (second,) = answered(w, sent, 302, f"Contact: <sip:bob@{OTHER}>\n")
    assert second.to[0] == OTHER
    assert answered(w, second, 401, challenge()) == []


async def test_a_configured_proxy_may_ask() -> None:
    w = await world(outbound_proxy="sip:192.0.2.60;lr")
    sent = await first(w, "pjsip:trunk/sip:bob@elsewhere.example")
    assert proves(answered(w, sent, 407, challenge(kind="Proxy-Authenticate")))


@pytest.mark.parametrize(("status", "kind"), [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")])
async def test_a_new_nonce_each_time_ends_after_two(status: int, kind: str) -> None:
    w = await world()
    sent, packets = await first(w, "pjsip:trunk"), 1
    while following := answered(w, sent, status, challenge(kind=kind)):
        (sent,) = following
        packets += 1
    assert packets == 1 + MAX_CHALLENGES
    assert [d.status_code for d in w.deliveries] == [status]


async def test_401_and_407_in_turn_end_after_two() -> None:
    w = await world()
    sent, packets = await first(w, "pjsip:trunk"), 1
    kinds = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
    while following := answered(w, sent, status := (401, 407)[packets % 2], challenge(kind=kinds[status])):
        (sent,) = following
        packets += 1
    assert packets == 1 + MAX_CHALLENGES


async def test_many_challenges_in_one_answer_are_one() -> None:
    w = await world()
    extra = challenge("x") * 20 + challenge() * 20
    sent = answered(w, await first(w, "pjsip:trunk"), 401, extra)
    assert len(sent) == 1
    assert len(sent[0].request.lines("authorization")) == 1


class InDialog:
    """A BYE of ours to an endpoint's remote target, as a dialog sends it."""

    def __init__(self, w: SipWorld, target: str, *, record_routed: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        endpoint: SipEndpointSettings = w.sip._directory.endpoints["trunk"]
        (contact,) = w.registry.contacts("PJSIP", "trunk")
        uri = parse_uri(target)
        hop = w.sip._exchanges.route_within(endpoint, uri, contact)
        if record_routed:
            hop = hop._replace(routes=(f"<{target};lr>",))
        headers = [
            ("From", "<sip:us@h>;tag=1"), ("To", "<sip:them@h>;tag=2"), ("Call-ID", "c"), ("Max-Forwards", "70"),
        ]  # fmt: skip
        exchange = Exchange("BYE", str(uri), headers, b"", endpoint, hop)
        w.sip._exchanges.start(exchange, self.outcomes.append)


async def test_a_bye_to_where_the_call_was_is_proven_twice_at_most() -> None:
    w = await world()
    ended = InDialog(w, f"sip:them@{PROVIDER}")
    (sent,) = w.sent()
    packets = 1
    while following := answered(w, sent, 401, challenge()):
        (sent,) = following
        packets += 1
    assert packets == 1 + MAX_CHALLENGES
    assert [outcome.status for outcome in ended.outcomes] == [401]


@pytest.mark.parametrize("record_routed", [False, True], ids=["Contact", "Record-Route"])
async def test_a_bye_to_where_a_call_was_led_proves_nothing(record_routed: bool) -> None:
    w = await world(outbound_proxy=f"sip:{PROVIDER};lr" if record_routed else "")
    ended = InDialog(w, f"sip:them@{OTHER}", record_routed=record_routed)
    (sent,) = w.sent()
    assert answered(w, sent, 407, challenge(kind="Proxy-Authenticate")) == []
    assert [outcome.status for outcome in ended.outcomes] == [407]


@pytest.mark.parametrize(("realm", "given"), [("provider.example", True), ("evil", False)])
async def test_a_registration_proves_itself_to_its_server_alone(realm: str, given: bool) -> None:
    registration = RegistrationSettings(
        name="p",
        source=HERE,
        server_uri=f"sip:{PROVIDER}",
        client_uri="sip:us@provider.example",
        outbound_auth=("out",),
        max_random_initial_delay=0,
    )
    w = SipWorld(
        settings(
            auths=[auth("out", username="us", password="secret", realm="provider.example")],
            registrations={"p": registration},
        )
    )
    await w.start()
    (sent,) = w.pass_time(0)
    assert proves(answered(w, sent, 401, challenge(realm))) is given
