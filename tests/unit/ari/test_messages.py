"""Messages and referrals over ARI: followed, listed, taken back, subscribed to (docs/ari.md)."""

from __future__ import annotations

from typing import Any

import pytest

from switchroom.model.message import ReferralReport, ReferralState
from unit.ari.edge import RO, Edge, running

SEND = "/ari/endpoints/PJSIP/{}/sendMessage?from=bob&body=hi"


async def send(edge: Edge, to: str = "alice", more: str = "") -> str:
    """Sends; the path the 202 says it can be followed at."""
    answer = await edge.ask("PUT", SEND.format(to) + more)
    assert (answer.status, answer.body) == (202, b""), answer
    return answer.headers["location"]


async def test_a_text_is_followed_where_location_says(edge: Edge) -> None:
    path = await send(edge)
    assert path.startswith("/ari/messages/")
    message = (await edge.ask("GET", path, auth=RO)).json
    assert list(message) == ["id", "from", "to", "body", "state", "created", "updated", "expires", "deliveries"]
    assert (message["from"], message["to"], message["body"], message["state"]) == (
        "bob",
        "pjsip:alice",
        "hi",
        "delivered",
    )
    (delivery,) = message["deliveries"]
    assert (delivery["contact"], delivery["status_code"], delivery["attempts"]) == ("sip:alice", 200, 1)


async def test_location_has_the_prefix() -> None:
    async with running(http={"prefix": "/pbx"}) as edge:
        answer = await edge.ask("PUT", "/pbx" + SEND.format("alice"))
        assert answer.headers["location"].startswith("/pbx/ari/messages/")


async def test_options_of_a_sender(edge: Edge) -> None:
    path = await send(edge, more="&message_id=mine:1&expires=60")
    assert path == "/ari/messages/mine:1"
    assert await send(edge, more="&message_id=mine:1") == path
    assert (await edge.ask("PUT", SEND.format("carol") + "&message_id=mine:1")).status == 409
    assert len(edge.pjsip.messages) == 1
    assert (await edge.ask("PUT", SEND.format("bob"))).status == 404
    waiting = await send(edge, "bob", "&offline=store")
    assert (await edge.ask("GET", waiting)).json["state"] == "queued"
    body = '{"from": "bob", "body": "hi", "expires": 5, "offline": "store", "message_id": "j"}'
    assert (await edge.ask("PUT", "/ari/endpoints/PJSIP/bob/sendMessage", body=body)).status == 202


@pytest.mark.parametrize(
    "more", ["&offline=maybe", "&expires=0", "&expires=x", "&expires=99999999999", "&message_id=a/b"]
)
async def test_options_that_can_not_be(edge: Edge, more: str) -> None:
    assert (await edge.ask("PUT", SEND.format("alice") + more)).status == 400
    assert not edge.pjsip.messages


async def test_a_store_that_fails_is_503_with_the_reason(edge: Edge) -> None:
    edge.store.fail("the disk is full")
    answer = await edge.ask("PUT", SEND.format("alice"))
    assert (answer.status, answer.message) == (503, "the disk is full")
    assert (await edge.ask("GET", "/ari/endpoints")).status == 200


async def test_what_is_queued_can_be_taken_back(edge: Edge) -> None:
    path = await send(edge, "bob", "&offline=store")
    assert (await edge.ask("DELETE", path, auth=RO)).status == 403
    assert (await edge.ask("DELETE", path)).status == 204
    assert (await edge.ask("GET", path)).json["state"] == "cancelled"
    assert (await edge.ask("DELETE", path)).status == 409
    assert (await edge.ask("DELETE", "/ari/messages/nope")).status == 404
    assert (await edge.ask("GET", "/ari/messages/nope")).message == "Message not found"


async def test_lists_in_pages(edge: Edge) -> None:
    for number in range(5):
        await send(edge, more=f"&message_id=a{number}")
    await send(edge, "bob", "&offline=store&message_id=b")

    async def ids(query: str = "") -> tuple[list[str], str]:
        answer = await edge.ask("GET", f"/ari/messages{query}")
        assert answer.status == 200, answer
        return [m["id"] for m in answer.json], answer.headers.get("link", "")

    assert await ids() == (["b", "a4", "a3", "a2", "a1", "a0"], "")
    assert await ids("?state=queued") == (["b"], "")
    assert await ids("?endpoint=pjsip/alice&state=delivered&limit=5") == (["a4", "a3", "a2", "a1", "a0"], "")
    found, link = await ids("?endpoint=PJSIP/alice&limit=3")
    assert found == ["a4", "a3", "a2"]
    assert link == '</ari/messages?endpoint=PJSIP%2Falice&limit=3&after=a2>; rel="next"'
    assert await ids(link.partition("?")[2].partition(">")[0].join(["?", ""])) == (["a1", "a0"], "")


@pytest.mark.parametrize("query", ["state=gone", "limit=0", "limit=1001", "endpoint=alice", "endpoint=/x"])
async def test_lists_of_nothing_sensible(edge: Edge, query: str) -> None:
    assert (await edge.ask("GET", f"/ari/messages?{query}")).status == 400


async def test_referrals_are_followed(edge: Edge) -> None:
    answer = await edge.ask("POST", "/ari/endpoints/PJSIP/alice/refer?from=bob&refer_to=sip:x@y.example")
    path = answer.headers["location"]
    (referral,) = edge.pjsip.referrals
    assert path == f"/ari/referrals/{referral.id}"
    edge.referrals.referral(ReferralReport(referral=referral, state=ReferralState.RINGING, status_code=180, reason="R"))
    found = (await edge.ask("GET", path, auth=RO)).json
    assert (found["to"], found["refer_to"], found["state"], found["status_code"]) == (
        "pjsip:alice",
        "sip:x@y.example",
        "ringing",
        180,
    )
    assert (await edge.ask("GET", "/ari/referrals/nope")).status == 404


async def subscribe(edge: Edge, sources: str) -> Any:
    return await edge.ask("POST", f"/ari/applications/a/subscription?eventSource={sources}")


async def test_events_of_messages_and_referrals(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a")
    assert (await subscribe(edge, "message:mine,referral:")).status == 200
    await send(edge)
    await send(edge, more="&message_id=mine")
    events = [await wire.event() for _ in range(3)]
    assert [e["message"]["state"] for e in events] == ["queued", "sending", "delivered"]
    assert {(e["type"], e["message"]["id"], e["application"]) for e in events} == {
        ("TextMessageStatusChange", "mine", "a")
    }
    await edge.ask("POST", "/ari/endpoints/PJSIP/alice/refer?from=bob&refer_to=sip:x@y.example")
    (referral,) = edge.pjsip.referrals
    edge.referrals.referral(ReferralReport(referral=referral, state=ReferralState.SENT))
    event = await wire.event()
    assert (event["type"], event["referral"]["state"]) == ("ReferStatusChange", "sent")
    await wire.close()


async def test_who_did_not_ask_sees_nothing_of_it(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a&subscribeAll=true")
    await send(edge)
    edge.unregister("alice")
    while (event := await wire.event())["type"] != "EndpointStateChange":
        assert event["type"] != "TextMessageStatusChange"
    application = (await edge.ask("GET", "/ari/applications/a")).json
    assert "message" not in str(application)
    await wire.close()


async def test_unsubscribing_from_messages(edge: Edge) -> None:
    wire = await edge.listen("/ari/events?app=a")
    assert (await subscribe(edge, "message:")).status == 200
    gone = "/ari/applications/a/subscription?eventSource=message:"
    assert (await edge.ask("DELETE", gone)).status == 200
    assert (await edge.ask("DELETE", gone)).status == 422
    assert (await subscribe(edge, "message:" + "x" * 200)).status == 422
    await wire.close()
