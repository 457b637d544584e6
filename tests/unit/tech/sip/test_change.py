"""The settings change while phones are registered: what stays, what is told, what holds from the next request on."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from support.sip_world import HERE, Sent, SipWorld, aor, auth, authorized, phone, reply, request, settings
from support.virtual import settle
from switchroom.model.change import SipChange
from switchroom.model.endpoint import ContactStatus, EndpointState
from switchroom.model.events import ContactStatusChange
from switchroom.model.settings import AccessRule, IdentifySettings, SipAclSettings, SipGlobalSettings
from switchroom.wire.sip.message import Request, Response

ALICE = "<sip:alice@192.0.2.9:5090>"


async def world(**more: Any) -> SipWorld:
    return await SipWorld(
        settings(
            phone("alice"), phone("bob"), aors=[aor("alice"), aor("bob")], auths=[auth("alice"), auth("bob")], **more
        )
    ).start()


def told(w: SipWorld) -> list[str]:
    return [e.contact_status.value if isinstance(e, ContactStatusChange) else type(e).__name__ for e in w.ear.take()]


def options_in(sent: list[Sent]) -> list[Sent]:
    return [s for s in sent if isinstance(s.message, Request) and s.request.method == "OPTIONS"]


def status(w: SipWorld, user: str, *, source: str = "192.0.2.9:5090", password: str = "") -> int:
    """Of an OPTIONS with a challenge answered, if there is one."""
    text = request("OPTIONS", user)
    (first,) = w.receive(text, source)
    if first.response.status != 401:
        return first.response.status
    (second,) = w.receive(authorized(text, first.response, user, password), source)
    return second.response.status


def state(w: SipWorld, name: str) -> EndpointState | None:
    endpoint = w.registry.get("PJSIP", name)
    return endpoint.state if endpoint is not None else None


async def test_an_endpoint_comes_in_any_order_of_its_objects() -> None:
    w = await world()
    w.sip.apply(SipChange(endpoints={"carol": phone("carol")}))
    assert told(w) == ["EndpointStateChange", "EndpointStateChange"]
    assert status(w, "carol") == 401
    w.sip.apply(SipChange(auths={"carol": auth("carol")}))
    w.sip.apply(SipChange(aors={"carol": aor("carol")}))
    assert told(w) == []
    assert w.register("carol", "<sip:carol@192.0.2.9:5091>").status == 200
    assert told(w) == ["EndpointStateChange", "PeerStatusChange", "NonQualified"]


async def test_others_are_not_touched() -> None:
    w = await world()
    w.register("alice", ALICE)
    w.ear.take()
    w.sip.apply(SipChange(endpoints={"bob": None}, auths={"bob": None}, aors={"bob": None}))
    assert told(w) == []
    assert state(w, "alice") is EndpointState.ONLINE
    assert state(w, "bob") is None
    assert status(w, "alice") == 200
    assert status(w, "bob") == 401


async def test_a_registration_survives_a_change_of_its_aor_and_still_expires() -> None:
    w = await world()
    w.register("alice", ALICE, expires="100")
    w.ear.take()
    w.sip.apply(SipChange(aors={"alice": aor("alice", max_contacts=1, contact=("sip:fixed@192.0.2.8",))}))
    assert told(w) == ["NonQualified"]
    w.sip.apply(SipChange(aors={"alice": aor("alice", max_contacts=1)}))
    assert told(w) == ["Removed"]
    w.pass_time(101)
    assert told(w) == ["EndpointStateChange", "PeerStatusChange", "Removed"]


async def test_a_registered_contact_that_is_written_into_the_aor_expires_no_more() -> None:
    w = await world()
    w.register("alice", ALICE, expires="100")
    w.ear.take()
    w.sip.apply(SipChange(aors={"alice": aor("alice", contact=("sip:alice@192.0.2.9:5090",))}))
    w.pass_time(200)
    assert told(w) == []
    assert await w.store.contacts.load("PJSIP") == []
    assert state(w, "alice") is EndpointState.ONLINE


async def test_an_aor_that_goes_takes_its_contacts_along() -> None:
    w = await world()
    w.register("alice", ALICE)
    w.ear.take()
    w.sip.apply(SipChange(aors={"alice": None}))
    assert told(w) == ["EndpointStateChange", "PeerStatusChange", "Removed"]
    (challenge,) = w.receive(request("REGISTER", "alice", extra=f"Contact: {ALICE}\n"))
    assert challenge.response.status == 401
    assert w.register("alice", ALICE).status == 404
    w.sip.apply(SipChange(aors={"alice": aor("alice")}))
    assert w.register("alice", ALICE).status == 200
    w.pass_time(4000)
    assert state(w, "alice") is EndpointState.OFFLINE


async def test_contacts_are_asked_as_the_aor_says_now() -> None:
    w = await world()
    w.register("alice", ALICE)
    w.ear.take()
    w.sip.apply(SipChange(aors={"alice": aor("alice", qualify_frequency=10)}))
    assert told(w) == ["EndpointStateChange", "PeerStatusChange"]
    (question,) = options_in(w.pass_time(0))
    w.receive(reply(question))
    assert told(w) == ["EndpointStateChange", "PeerStatusChange", "Reachable"]
    w.sip.apply(SipChange(aors={"alice": aor("alice", qualify_frequency=30, max_contacts=3)}))
    assert told(w) == []
    (question,) = options_in(w.pass_time(0))
    w.receive(reply(question))
    assert options_in(w.pass_time(25)) == []
    w.sip.apply(SipChange(aors={"alice": aor("alice")}))
    assert told(w) == ["NonQualified"]
    assert options_in(w.pass_time(100)) == []
    assert state(w, "alice") is EndpointState.ONLINE


async def test_contacts_nobody_uses_are_not_asked() -> None:
    w = await world()
    w.sip.apply(SipChange(aors={"alice": aor("alice", qualify_frequency=10)}))
    w.register("alice", ALICE)
    (question,) = options_in(w.pass_time(0))
    w.receive(reply(question))
    w.sip.apply(SipChange(endpoints={"alice": None}))
    assert options_in(w.pass_time(100)) == []
    w.sip.apply(SipChange(endpoints={"carol": phone("carol", aors=("alice",))}))
    (question, *_) = options_in(w.pass_time(0))
    assert (question.request.first("from") or "").startswith("<sip:carol@")


async def test_a_new_password_holds_from_the_next_request_on() -> None:
    w = await world()
    assert status(w, "alice") == 200
    w.sip.apply(SipChange(auths={"alice": auth("alice", password="new")}))
    assert status(w, "alice") == 401
    assert status(w, "alice", password="new") == 200
    w.sip.apply(SipChange(endpoints={"alice": phone("alice", auth=("bob",))}))
    assert status(w, "alice", password="new") == 401


async def test_an_auth_that_goes_opens_nothing() -> None:
    w = await world()
    w.sip.apply(SipChange(auths={"alice": None}))
    assert status(w, "alice") == 401


async def test_a_stranger_is_challenged_as_the_endpoints_are_now() -> None:
    w = await world()

    def realm(user: str) -> str:
        (challenge,) = w.receive(request("OPTIONS", user))
        return (challenge.response.first("www-authenticate") or "").split('"')[1]

    change = SipChange(auths={name: auth(name, realm="office") for name in ("alice", "bob")})
    assert realm("alice") == realm("nobody") == "asterisk"
    w.sip.apply(change)
    assert realm("alice") == realm("nobody") == "office"


def identify(name: str, endpoint: str, **more: Any) -> IdentifySettings:
    return IdentifySettings(name=name, source=HERE, endpoint=endpoint, **more)


async def test_identifies_come_change_and_go() -> None:
    w = await world()
    w.addresses.known["trunk.example"] = ["192.0.2.77"]
    trunk = phone("trunk", auth=(), identify_by=("ip",))
    w.sip.apply(SipChange(endpoints={"trunk": trunk}))
    here = identify("a", "trunk", match=((ip_network("192.0.2.66/32"), 0),))
    w.sip.apply(SipChange(identifies={"a": here, "b": identify("b", "trunk", match_hosts=("trunk.example",))}))
    await settle()
    assert status(w, "x", source="192.0.2.66:5060") == status(w, "x", source="192.0.2.77:5060") == 200
    w.sip.apply(SipChange(identifies={"a": identify("a", "trunk", match=((ip_network("192.0.2.0/26"), 0),))}))
    assert status(w, "x", source="192.0.2.66:5060") == 401
    assert status(w, "x", source="192.0.2.5:5060") == 200
    assert status(w, "x", source="192.0.2.77:5060") == 200
    w.sip.apply(SipChange(identifies={"b": None, "c": identify("c", "trunk", match_header=("X-A", "b"))}))
    assert status(w, "x", source="192.0.2.77:5060") == 401
    (answer,) = w.receive(request("OPTIONS", "x", extra="X-A: b\n"))
    assert isinstance(answer.message, Response)
    assert answer.response.status == 200


async def test_lists_aliases_and_defaults_change() -> None:
    w = await world()
    closed = SipAclSettings(name="a", source=HERE, rules=(AccessRule(False, ip_network("192.0.2.9")),))
    w.sip.apply(SipChange(acls={"a": closed}))
    assert status(w, "alice") == 403
    w.sip.apply(SipChange(acls={"a": None}))
    assert status(w, "alice") == 200
    w.sip.apply(SipChange(endpoints={"dan@inner.example": phone("dan@inner.example", auth=())}))
    text = request("OPTIONS", "dan").replace("<sip:dan@192.0.2.1>;tag", "<sip:dan@outer.example>;tag")
    assert w.receive(text)[0].response.status == 401
    w.sip.apply(SipChange(domain_aliases={"outer.example": "inner.example"}))
    text = request("OPTIONS", "dan").replace("<sip:dan@192.0.2.1>;tag", "<sip:dan@outer.example>;tag")
    assert w.receive(text)[0].response.status == 200
    w.sip.apply(SipChange(general=SipGlobalSettings(disable_multi_domain=True)))
    text = request("OPTIONS", "dan").replace("<sip:dan@192.0.2.1>;tag", "<sip:dan@outer.example>;tag")
    assert w.receive(text)[0].response.status == 401


async def test_the_settings_that_were_given_are_left_alone() -> None:
    given = settings(phone("alice"), aors=[aor("alice")], auths=[auth("alice")])
    w = await SipWorld(given).start()
    w.sip.apply(SipChange(endpoints={"alice": None, "bob": phone("bob")}))
    assert given.endpoints.keys() == {"alice"}


async def test_a_contact_that_is_no_uri_is_left_out() -> None:
    w = await world()
    w.sip.apply(SipChange(aors={"alice": aor("alice", contact=("sip:a b@x", "sip:c@192.0.2.8"))}))
    assert [c.uri for c in w.registry.contacts("PJSIP", "alice")] == ["sip:c@192.0.2.8"]
    assert w.registry.contacts("PJSIP", "alice")[0].status is ContactStatus.NON_QUALIFIED


async def test_how_many_calls_make_busy_follows_the_settings() -> None:
    w = await world()
    assert w.sip.busy_at("alice") == 0
    w.sip.apply(SipChange(endpoints={"alice": phone("alice", device_state_busy_at=2)}))
    assert w.sip.busy_at("alice") == 2
    w.sip.apply(SipChange(endpoints={"alice": None}))
    assert w.sip.busy_at("alice") == 0
