"""S40: control characters, half surrogate pairs and directions of writing in texts and names, towards XMPP and from it.

Where a text goes on to is in the tests of those technologies; what leaves here is fit for all of them.
"""

from __future__ import annotations

import json
from xml.etree.ElementTree import fromstring, tostring

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.xmpp_world import XmppWorld, client, component
from switchroom.core.addresses import Address
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import DomainError
from switchroom.tech.xmpp.addressing import escape
from switchroom.tech.xmpp.stanza import clean

NS = "{jabber:client}"

#: Every control character, the noncharacters and halves that XML forbids, and what must pass unchanged.
HARMFUL = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), 0xD800, 0xDFFF, 0xFFFE, 0xFFFF)))
HARMLESS = "\t\n Zoë \x7f\x85\x9f \u200e\u202e\u2066\ufeff \U0001f600 <&>\"' ]]>"

any_text = st.text(st.characters(exclude_categories=()))


async def test_texts_to_xmpp_lose_what_xml_can_not_hold_and_nothing_else() -> None:
    world = await XmppWorld(client()).start()
    world.send(body=HARMFUL + HARMLESS + HARMFUL)
    (text,) = world.stream().texts()
    assert text == HARMLESS
    written = tostring(world.stream().posted[0], encoding="utf-8")
    assert fromstring(written).findtext(f"{NS}body") == HARMLESS


@given(any_text)
def test_any_text_is_fit_for_xml(text: str) -> None:
    fit = clean(text)
    assert fromstring(f"<a>{_escaped(fit)}</a>".encode()).text == (
        fit.replace("\r\n", "\n").replace("\r", "\n") or None
    )
    assert [sign for sign in text if sign in HARMLESS] == [sign for sign in fit if sign in HARMLESS]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize("sign", [*"\x00\x01\n\r\x1f\x7f", "\x85", "\ufffe", "\ud800"])
async def test_names_with_control_characters_are_no_names(sign: str) -> None:
    world = await XmppWorld(client(), component()).start()
    for to, sender in (
        (f"ro{sign}meo@localhost", "gateway"),
        (f"romeo@local{sign}host", "gateway"),
        (f"romeo@localhost/a{sign}b", "gateway"),
        (f"gate{sign}way", "gateway"),
        ("romeo@localhost", f"gate{sign}way"),
        ("romeo@localhost", f"al{sign}ice@sip.localhost"),
    ):
        with pytest.raises(DomainError):
            world.plan(to, sender)


@given(any_text)
def test_names_of_phones_have_no_sign_that_ends_an_attribute(name: str) -> None:
    assert not set(escape(name)) & set("\"'<>&@/ ")


@pytest.mark.parametrize("body", [HARMLESS, "\u202etxet", "\x85\x9f"])
async def test_texts_from_xmpp_are_json_and_unchanged(body: str) -> None:
    world = await XmppWorld(client()).start()
    world.stream().say(f"<message from='romeo@localhost/Zoë 1' type='chat'><body>{_escaped(body)}</body></message>")
    (event,) = world.heard
    shown = json.loads(msgspec.json.encode(event.message))  # type: ignore[attr-defined]
    assert shown["body"] == body
    assert shown["from"].startswith("xmpp:romeo@localhost/")


@pytest.mark.parametrize(
    "sender", ["ro&#10;meo@localhost", "romeo@localhost/a&#10;b", "romeo@localhost/&#x202E;\u2028"]
)
async def test_addresses_from_xmpp_bring_no_line_end(sender: str) -> None:
    world = await XmppWorld(client()).start()
    world.stream().say(f"<message from='{sender}' type='chat'><body>x</body></message>")
    for shown, _, _ in world.received():
        assert not set(shown) & set("\r\n\x00")


async def test_the_name_of_somebody_on_xmpp_is_fit_for_a_phone() -> None:
    world = await XmppWorld(component()).start()
    world.registry.add(EndpointId("PJSIP", "alice"))
    world.stream("sip").say(
        "<message from='d\\27artagnan;x?y%=\u202ez@localhost/p' to='alice@sip.localhost' type='chat'>"
        "<body>a\nb</body></message>"
    )
    await world.settle()
    for _, sender, body in world.outlet.sent:
        user = sender.removeprefix("sip:").removesuffix("@pbx")
        assert user.isascii()
        assert not set(user) & set(';?@<>" \r\n')
        assert body == "a\nb"
    assert world.crossing.find("alice", "XMPP") == Address(EndpointId("PJSIP", "alice"))
