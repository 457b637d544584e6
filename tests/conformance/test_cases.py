"""Every recorded HTTP case, in the order of the file, against one running server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from conformance.comparison import Arrived, differences
from conformance.destinations import destination_technology
from conformance.disputed import FROM_BY_THE_RULE, POSTED_BEFORE, by_the_rule
from conformance.world import DATA, World, recorded_world
from support.ari import Answer
from support.events import events
from support.wait import until

CASES: list[dict[str, Any]] = json.loads((DATA / "cases.json").read_text(encoding="utf-8"))
PLAYED = [by_the_rule(case) for case in CASES]

in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The recorded world as the cases found it: alice registered, the application ``probe`` connected."""
    async with recorded_world(tmp_path_factory.mktemp("cases")) as made, events(made.server.base, "probe"):
        assert (await made.phones["alice"].register(password="alicepw")).status == 200
        await _flush(made)
        yield made


@in_one_loop
@pytest.mark.parametrize("case", PLAYED, ids=lambda case: case["id"])
async def test_case(world: World, case: Mapping[str, Any]) -> None:
    case = json.loads(world.here(json.dumps(case, ensure_ascii=False)))
    if case["id"] in POSTED_BEFORE:
        assert (await world.ari.ask("POST", POSTED_BEFORE[case["id"]])).status == 200
    answer = await _play(world, case)
    arrived = await _arrived(world, len(case["expect"].get("wire", []))) if destination_technology(case) else []
    assert not (found := differences(case["expect"], answer, arrived)), "\n".join([*found, case.get("why", "")])


@in_one_loop
async def test_no_case_made_the_server_log_an_error(world: World) -> None:
    assert world.server.alive
    assert world.server.log_errors() == []


def test_nothing_is_left_out() -> None:
    assert len(PLAYED) == len(CASES) == 516


def test_disputed_cases_stand_in_the_file_as_recorded() -> None:
    recorded = {
        case["id"]: case["expect"]["wire"][0]["headers"]["From"] for case in CASES if case["id"] in FROM_BY_THE_RULE
    }
    assert recorded == dict.fromkeys(FROM_BY_THE_RULE, "<sip:alice@127.0.0.1>")


async def _play(world: World, case: Mapping[str, Any]) -> Answer:
    body = case["body"]
    return await world.ari.ask(
        case["method"],
        case["path"],
        user=tuple(case["auth"]) if case["auth"] else None,
        headers=case["headers"],
        body=None if body is None else body.encode("utf-8", "surrogatepass"),
    )


async def _arrived(world: World, expected: int) -> list[Arrived]:
    """What the phones were sent by this case: waits for as many texts and referrals as are ``expected``, and for
    any others until a text sent after them has come.
    """
    phones = world.phones.values()
    with contextlib.suppress(AssertionError):  # what is missing is told by the comparison
        await until(lambda: sum(len(phone.received) for phone in phones) >= expected, "the requests", within=3)
    await _flush(world)
    came = [Arrived(name, request) for name, phone in world.phones.items() for request in phone.received]
    for phone in phones:
        phone.received.clear()
    return came


async def _flush(world: World) -> None:
    """Sends carol one more text and waits for it: by then all that was sent before it is at the phones."""
    answer = await world.ari.ask("PUT", "/ari/endpoints/PJSIP/carol/sendMessage?from=sip:flush@example.org&body=flush")
    assert answer.status == 202, answer
    carol = world.phones["carol"]
    held = []
    while (request := await carol.next("MESSAGE")).body != "flush":
        held.append(request)
    carol.received[:0] = held
    for phone in world.phones.values():
        phone.read()
