"""Lists in pages, what has not changed, and where endpoints are reached."""

from __future__ import annotations

import random
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from switchroom.ari.limits import PAGE
from switchroom.model.endpoint import Contact, EndpointId
from unit.ari.edge import Answer, Edge, FakeClock, Wire, request, running

LIST = "/ari/endpoints"


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [f"{e['technology']}/{e['resource']}" for e in answer.json]


def following(answer: Answer) -> str | None:
    """Where the Link header leads."""
    link = answer.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<(/[^<>\s]+)>; rel="next"', link)
    assert found, link
    return found[1]


ALL = ["IAX2/iaxphone", "PJSIP/50% off", "PJSIP/alice", "PJSIP/bob", "PJSIP/carol", "PJSIP/trunk"]


@pytest.mark.parametrize(
    ("query", "found", "more"),
    [
        ("", ALL, False),
        ("?state=online", ["PJSIP/alice", "PJSIP/carol", "PJSIP/trunk"], False),
        ("?state=offline", ["PJSIP/50% off", "PJSIP/bob"], False),
        ("?state=unknown", ["IAX2/iaxphone"], False),
        ("?limit=2", ALL[:2], True),
        ("?limit=6", ALL, False),
        ("?limit=5", ALL[:5], True),
        ("?limit=10000", ALL, False),
        ("?after=PJSIP/alice", ALL[3:], False),
        ("?after=pjsip/alice", ALL[3:], False),
        ("?after=PJSIP/an endpoint that left".replace(" ", "+"), ALL[3:], False),
        ("?after=PJSIP/zoe", [], False),
        ("?after=A/", ALL, False),
        ("?state=online&limit=2", ["PJSIP/alice", "PJSIP/carol"], True),
        ("?state=online&limit=2&after=PJSIP/carol", ["PJSIP/trunk"], False),
        ("/pjsip?limit=1", ALL[1:2], True),
        ("/pjsip?after=IAX2/iaxphone", ALL[1:], False),
        ("/iax2?limit=1", ALL[:1], False),
        ("?unknown=parameter", ALL, False),
    ],
)
async def test_pages(edge: Edge, query: str, found: list[str], more: bool) -> None:
    answer = await edge.ask("GET", LIST + query)
    assert names(answer) == found
    assert (following(answer) is not None) == more


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", str(PAGE + 1), "1.5", "٣", "9" * 5_000])
async def test_limits_that_are_none(edge: Edge, limit: str) -> None:
    assert (await edge.ask("GET", f"{LIST}?limit={limit}")).status == 400


@pytest.mark.parametrize("query", ["state=here", "state=ONLINE", "after=alice", "after="])
async def test_mistakes(edge: Edge, query: str) -> None:
    assert (await edge.ask("GET", f"{LIST}?{query}")).status == 400


async def test_a_json_body_works_too(edge: Edge) -> None:
    assert names(await edge.ask("GET", LIST, body=b'{"limit":1,"after":"PJSIP/bob"}')) == ["PJSIP/carol"]
    for body in (b'{"limit":true}', b'{"limit":1.5}', b'{"limit":0}', b'{"limit":[]}', b'{"state":5}'):
        assert (await edge.ask("GET", LIST, body=body)).status == 400


async def test_a_link_says_all_that_was_asked_and_no_credentials() -> None:
    async with running(http={"prefix": "/pbx"}) as edge:
        answer = await edge.ask(
            "GET", "/pbx/ari/endpoints/pjsip?limit=1&state=offline&api_key=asterisk:asterisk", auth=None
        )
        link = following(answer)
        assert link is not None
        parts = urlsplit(link)
        assert parts.path == "/pbx/ari/endpoints/PJSIP"
        assert parse_qs(parts.query) == {"state": ["offline"], "limit": ["1"], "after": ["PJSIP/50% off"]}
        assert names(await edge.ask("GET", link)) == ["PJSIP/bob"]


async def get(wire: Wire, path: str, headers: dict[str, str]) -> Answer:
    wire.send(request("GET", path, headers))
    return await wire.answer()


async def test_ten_thousand_are_paged_while_some_come_and_go(edge: Edge) -> None:
    """Whoever stays is seen exactly once, whoever comes and goes at most once."""
    chance = random.Random(3)
    staying = [f"u{number:05}" for number in range(10_000)]
    for name in staying:
        edge.registry.add(EndpointId("PJSIP", name), aors=(name,))
    passing = [f"u{number:05}x" for number in range(0, 10_000, 50)]
    seen: list[str] = []
    pages = 0
    wire = await edge.open()
    credentials = {"Authorization": "Basic YXN0ZXJpc2s6YXN0ZXJpc2s="}
    path: str | None = f"{LIST}?limit=100"
    while path is not None:
        answer = await get(wire, path, credentials)
        seen += names(answer)
        path = following(answer)
        pages += 1
        for name in chance.sample(passing, 10):
            if edge.registry.get("PJSIP", name) is None:
                edge.registry.add(EndpointId("PJSIP", name), aors=(name,))
            else:
                edge.registry.remove(EndpointId("PJSIP", name))
        for name in chance.sample(staying, 10):
            aor = edge.registry.declare("PJSIP", name)
            edge.bus.publish(edge.registry.bind(aor, Contact(aor=name, uri=f"sip:{name}@192.0.2.1")))
    await wire.close()
    assert len(seen) == len(set(seen))
    assert {*ALL, *(f"PJSIP/{name}" for name in staying)} <= set(seen)
    assert seen == sorted(seen)
    assert pages >= 101


async def test_what_has_not_changed_is_not_sent_again(edge: Edge) -> None:
    paths = (LIST, f"{LIST}/PJSIP", f"{LIST}/PJSIP/carol", f"{LIST}/PJSIP/bob", f"{LIST}?limit=2")
    tags = {path: (await edge.ask("GET", path)).headers["etag"] for path in paths}
    for path, tag in tags.items():
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = await edge.ask("GET", path, headers={"If-None-Match": known})
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
            assert "content-length" not in answer.headers
        assert (await edge.ask("GET", path, headers={"If-None-Match": '"other"'})).status == 200
    edge.register("bob")
    changed = {}
    for path, tag in tags.items():
        answer = await edge.ask("GET", path, headers={"If-None-Match": tag})
        changed[path] = answer.status == 200
        assert changed[path] == (answer.headers["etag"] != tag)
    assert changed == dict.fromkeys(paths, True) | {f"{LIST}/PJSIP/carol": False}


async def test_a_tag_of_another_run_is_another() -> None:
    tags = []
    for later in (0, 60):
        clock = FakeClock()
        clock.now += later
        async with running(clock=clock) as edge:
            tags.append((await edge.ask("GET", LIST)).headers["etag"])
    assert tags[0] != tags[1]
    assert all(re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', tag) for tag in tags)


async def test_contacts(edge: Edge) -> None:
    aor = edge.registry.declare("PJSIP", "bob")
    now = edge.clock.wall()
    moving = Contact(
        aor="bob",
        uri="sip:bob@192.0.2.9:5070",
        user_agent="Tele\udcff phone",
        transport="udp",
        address="192.0.2.9:5070",
        registered=now - 10,
        expires=edge.clock.monotonic() + 50,
        roundtrip_usec=1_234,
    )
    edge.registry.bind(aor, moving)
    edge.registry.bind(aor, Contact(aor="bob", uri="sip:fixed@192.0.2.8", static=True))
    answer = await edge.ask("GET", f"{LIST}/pjsip/bob/contacts")
    assert answer.status == 200
    first, second = answer.json
    assert list(first) == [
        *("uri", "aor", "status", "roundtrip_usec", "user_agent", "transport", "address", "registered", "expires")
    ]
    assert first | {"registered": "", "expires": ""} == {
        "uri": "sip:bob@192.0.2.9:5070",
        "aor": "bob",
        "status": "NonQualified",
        "roundtrip_usec": "1234",
        "user_agent": "Tele? phone",
        "transport": "udp",
        "address": "192.0.2.9:5070",
        "registered": "",
        "expires": "",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", first["registered"])
    assert first["registered"] < first["expires"]
    assert (second["uri"], second["registered"], second["expires"]) == ("sip:fixed@192.0.2.8", None, None)


async def test_contacts_of_nobody(edge: Edge) -> None:
    assert (await edge.ask("GET", f"{LIST}/PJSIP/bob/contacts")).json == []
    answer = await edge.ask("GET", f"{LIST}/PJSIP/nobody/contacts")
    assert (answer.status, answer.message) == (404, "Endpoint not found")
    assert (await edge.ask("PUT", f"{LIST}/PJSIP/bob/contacts")).headers["allow"] == "OPTIONS,GET"
