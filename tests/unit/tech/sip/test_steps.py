"""What becomes of a request, step by step: who may ask what, and how it is refused."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from support.sip_world import HERE, SERVER, SipWorld, aor, auth, authorized, phone, request, settings
from switchroom.model.settings import AccessRule, IdentifySettings, SipAclSettings, SipGlobalSettings


async def world() -> SipWorld:
    return await SipWorld(
        settings(
            phone("alice"),
            phone("open", auth=()),
            phone("ask", allow_unauthenticated_options=True),
            phone("fenced", auth=(), acl=(AccessRule(False, ip_network("192.0.2.0/24")),)),
            phone("byip", auth=(), identify_by=("ip",)),
            phone("byuri", auth=(), identify_by=("request_uri",)),
            phone("anonymous", auth=(), identify_by=()),
            phone("byauth", identify_by=("auth_username",)),
            aors=[aor("alice")],
            auths=[auth("alice"), auth("ask"), auth("byauth")],
            identifies=[
                IdentifySettings(name="i", source=HERE, endpoint="byip", match=((ip_network("192.0.2.64/26"), 0),)),
                IdentifySettings(name="u", source=HERE, endpoint="byuri", match_request_uri="/^sip:hook@/"),
            ],
            acls={"a": SipAclSettings(name="a", source=HERE, rules=(AccessRule(False, ip_network("203.0.113.0/24")),))},
            general=SipGlobalSettings(
                endpoint_identifier_order=("ip", "username", "request_uri", "auth_username", "header")
            ),
        )
    ).start()


async def status(w: SipWorld, text: str, source: str = "192.0.2.9:5090") -> int:
    (answer,) = w.receive(text, source)
    return answer.response.status


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("OPTIONS", 200),
        ("INVITE", 404),
        ("SUBSCRIBE", 489),
        ("PUBLISH", 489),
        ("NOTIFY", 481),
        ("INFO", 501),
        ("REFER", 403),
        ("FROBNICATE", 501),
        ("BYE", 481),
    ],
)
async def test_each_method_has_its_answer(method: str, expected: int) -> None:
    assert await status(await world(), request(method, "open")) == expected


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "INFO"])
async def test_a_stranger_is_challenged_whatever_they_ask(method: str) -> None:
    assert await status(await world(), request(method, "nobody")) == (407 if method == "INVITE" else 401)


async def test_an_ack_is_never_answered() -> None:
    w = await world()
    assert w.receive(request("ACK", "open")) == []
    assert w.receive(request("ACK", "nobody")) == []


async def test_identification_by_source_request_uri_and_digest_name() -> None:
    w = await world()
    assert await status(w, request("OPTIONS", "whoever"), "192.0.2.70:5060") == 200
    assert await status(w, request("OPTIONS", "whoever", target=f"sip:hook@{SERVER}")) == 404
    assert await status(w, request("INFO", "whoever", target=f"sip:hook@{SERVER}")) == 501
    text = request("OPTIONS", "whoever")
    (challenge,) = w.receive(text)
    assert await status(w, authorized(text, challenge.response, "byauth")) == 200


async def test_the_wrong_way_of_identifying_identifies_nobody() -> None:
    assert await status(await world(), request("OPTIONS", "byip")) == 401


async def test_an_endpoints_acl_makes_a_stranger_and_the_global_one_forbids() -> None:
    w = await world()
    assert await status(w, request("OPTIONS", "fenced")) == 401
    assert await status(w, request("OPTIONS", "fenced"), "198.51.100.1:5060") == 200
    assert await status(w, request("OPTIONS", "open"), "203.0.113.5:5060") == 403


async def test_options_without_credentials_where_allowed_and_nothing_else() -> None:
    w = await world()
    assert await status(w, request("OPTIONS", "ask")) == 200
    assert await status(w, request("MESSAGE", "ask")) == 401


async def test_options_for_a_name_that_is_not_here() -> None:
    w = await world()
    assert await status(w, request("OPTIONS", "open", target=f"sip:alice@{SERVER}")) == 200
    assert await status(w, request("OPTIONS", "open", target=f"sip:nobody@{SERVER}")) == 404


async def test_what_is_required_and_unknown_is_named() -> None:
    w = await world()
    (answer,) = w.receive(request("OPTIONS", "open", extra="Require: path, nothingSupportsThis\nRequire: x\n"))
    assert answer.response.status == 420
    assert answer.response.first("unsupported") == "nothingSupportsThis, x"


async def test_a_to_tag_without_a_dialog_is_481_after_authentication() -> None:
    w = await world()
    assert await status(w, request("MESSAGE", "open", to=f"<sip:x@{SERVER}>;tag=1")) == 481
    assert await status(w, request("MESSAGE", "nobody", to=f"<sip:x@{SERVER}>;tag=1")) == 401


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("OPTIONS sip:", "OPTIONS mailto:", 416),
        ("1 OPTIONS", "1 INVITE", 400),
        ("Max-Forwards: 70", "Max-Forwards: 256", 400),
        ("Max-Forwards: 70", "Max-Forwards: -1", 400),
        ("SIP/2.0\n", "SIP/7.0\n", 505),
    ],
)
async def test_a_malformed_request_gets_its_status(old: str, new: str, expected: int) -> None:
    w = await world()
    assert await status(w, request("OPTIONS", "open").replace(old, new, 1)) == expected


@pytest.mark.parametrize("value", ['path, "x, y', "path, <x, y"])
async def test_a_require_that_can_not_be_split_is_refused(value: str) -> None:
    assert await status(await world(), request("OPTIONS", "open", extra=f"Require: {value}\n")) == 400


async def test_an_escaped_name_is_the_same_name() -> None:
    assert await status(await world(), request("OPTIONS", "open", target=f"sip:%61lice@{SERVER}")) == 200


async def test_guessing_a_password_stops_being_tried() -> None:
    w = await world()
    text = request("OPTIONS", "alice")
    for n in range(45):
        (challenge,) = w.receive(text.replace("z9hG4bK-", f"z9hG4bK-{n}x"))
        guess = authorized(text, challenge.response, "alice", f"guess{n}").replace("z9hG4bK-a", f"z9hG4bK-a{n}x")
        assert await status(w, guess) == 401
    (challenge,) = w.receive(text)
    assert await status(w, authorized(text, challenge.response, "alice")) == 401
    (challenge,) = w.receive(text, "192.0.2.10:5090")
    assert await status(w, authorized(text, challenge.response, "alice"), "192.0.2.10:5090") == 200
    w.pass_time(61)
    text = request("OPTIONS", "alice")
    (challenge,) = w.receive(text)
    assert await status(w, authorized(text, challenge.response, "alice")) == 200
