"""S06: nothing a caller passes through ARI adds, ends or changes a header it was not meant for.

Any text in any parameter is either refused, or leaves as exactly the planned headers, once each.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.sip_world import SipWorld, aor, auth, phone
from support.sip_world import settings as sip_settings
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.wire.sip.headers import header_key

MESSAGE_PLAN = [
    "via", "from", "to", "call-id", "message-id", "max-forwards", "user-agent", "content-type", "cseq",
    "content-length",
]  # fmt: skip
REFER_PLAN = [
    "via", "from", "to", "contact", "call-id", "event", "expires", "supported", "accept", "allow-events", "refer-to",
    "max-forwards", "user-agent", "cseq", "content-length",
]  # fmt: skip

#: Texts an attacker would try, beside any text at all.
nasty = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "\r\nX-Injected: 1",
            "a\nX-Injected: 1",
            "a\rX-Injected: 1",
            "a\x00b",
            "sip:a@b\r\nX-Injected: 1",
            '"a\r\n" <sip:a@b>',
            "sip:a@b>;x=<",
            'a" <sip:evil@x>, "',
            "a, b",
            "<sip:a@b>,<sip:c@d>",
            "sip:a@b?X-Injected=1%0D%0AX: 2",
            "alice%0d%0aX-Injected:1",
            "\u2028X-Injected: 1",
            "\x85X-Injected: 1",
            "tel:1\r\n\r\nbody",
        ]
    ),
    st.builds("{}{}{}".format, st.text(max_size=8), st.sampled_from('\r\n\x00<>";,: \t'), st.text(max_size=8)),
)
names = st.one_of(st.text(min_size=1, max_size=12), st.sampled_from(["X-A", "x-a", "Via", "f", "X A", "X:", "Subject"]))


def world() -> SipWorld:
    w = SipWorld(
        sip_settings(
            phone("alice"),
            phone("carol"),
            aors=[aor("alice"), aor("carol", contact=("sip:carol@192.0.2.5",))],
            auths=[auth("alice")],
        )
    )
    asyncio.run(w.sip.start())
    return w


WORLD = world()


def check(plan: list[str], variables: dict[str, str]) -> None:
    """What left holds the planned headers once each, and of the caller's only those that were asked for."""
    for sent in WORLD.sent():
        head = sent.data.partition(b"\r\n\r\n")[0]
        assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
        assert b"\x00" not in head
        keys = [key for key, _, _ in sent.request.fields]
        asked = {header_key(name) for name in variables}
        assert len(set(keys)) == len(keys)
        assert set(plan) <= set(keys)
        assert set(keys) - set(plan) <= asked
        assert len(head.split(b"\r\n")) == len(keys) + 1


@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(sender=nasty, to=nasty, body=nasty, name=names, value=nasty)
def test_no_text_in_a_message_adds_a_header(sender: str, to: str, body: str, name: str, value: str) -> None:
    for destination in ("pjsip:carol", f"pjsip:carol/{to}"):
        try:
            asyncio.run(WORLD.messages.send(destination, sender, body.replace("\ud800", ""), {name: value}))
        except (InvalidParameter, EndpointNotFound):
            assert not WORLD.sent()
        check(MESSAGE_PLAN, {name: value})
    WORLD.pass_time(40)
    WORLD.sent()


@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(sender=nasty, refer_to=nasty, display=nasty, name=names, value=nasty)
def test_no_text_in_a_referral_adds_a_header(sender: str, refer_to: str, display: str, name: str, value: str) -> None:
    try:
        WORLD.referrals.refer("pjsip:carol", sender, refer_to, {name: value}, display_name=display)
    except (InvalidParameter, EndpointNotFound):
        assert not WORLD.sent()
    check(REFER_PLAN, {name: value})
    WORLD.pass_time(700)
    WORLD.sent()


@pytest.mark.parametrize("control", ["\r", "\n", "\x00", "\r\n"])
@pytest.mark.parametrize("parameter", ["to", "from", "name", "value", "refer_to", "display_name"])
def test_control_characters_are_refused_wherever_they_stand(control: str, parameter: str) -> None:
    def text(which: str, plain: str) -> str:
        return f"{plain}{control}X" if which == parameter else plain

    async def ask() -> None:
        if parameter in ("refer_to", "display_name"):
            shown = text("display_name", "d")
            WORLD.referrals.refer("pjsip:carol", "a", text("refer_to", "alice@h"), {}, display_name=shown)
        else:
            to, sender = text("to", "pjsip:carol/sip:x@192.0.2.5"), text("from", "sip:a@b.example")
            await WORLD.messages.send(to, sender, "hi", {text("name", "X-A"): text("value", "v")})

    with pytest.raises((InvalidParameter, EndpointNotFound)):
        asyncio.run(ask())
    assert not WORLD.sent()
