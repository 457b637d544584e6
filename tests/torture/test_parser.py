"""RFC 4475 and RFC 5118 at the parser: what is accepted, what is refused and with which status."""

from __future__ import annotations

import hashlib
import re

import pytest

from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.parse import parse
from switchroom.wire.sip.sanity import check
from switchroom.wire.sip.write import write_request
from torture.messages import MESSAGES, TortureMessage, expand
from torture.verdicts import ACCEPTED, VERDICTS

#: SHA-256 over the files of RFC 4475 appendix A, in the order of its section 3. An editor that touches a blank
#: or a line end of the data shows here.
_RFC4475_DIGEST = "b24878056b0a361ed187ee3649973fbc153be07370925a38cd30011786b66b48"
_RFC5118_DIGEST = "7fc72c75ea962f452574b9304ae567290317b75cdb57ad6ba2d9da17bc721a75"

every_message = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())


def accepted(name: str) -> Request:
    """The named request, which must be one."""
    request = parse(MESSAGES[name].data)
    assert isinstance(request, Request)
    return request


# ---- the data


def test_all_of_both_rfcs_is_here() -> None:
    numbers = [message.rfc for message in MESSAGES.values()]
    assert (numbers.count(4475), numbers.count(5118), len(numbers)) == (49, 12, 61)
    assert VERDICTS.keys() == MESSAGES.keys()


@pytest.mark.parametrize(("rfc", "digest"), [(4475, _RFC4475_DIGEST), (5118, _RFC5118_DIGEST)])
def test_the_bytes_are_those_of_the_rfc(rfc: int, digest: str) -> None:
    together = hashlib.sha256()
    for message in MESSAGES.values():
        if message.rfc == rfc:
            together.update(message.data)
    assert together.hexdigest() == digest


def test_notation() -> None:
    assert expand(["<allOneLine>", "a: b", " c", "</allOneLine>"]) == b"a: b c\r\n"
    assert expand(["value<hex>206F", "6E</hex>e"]) == b"value one\r\n"
    assert expand(["1<repeat count=3><hex>30</hex></repeat>"]) == b"1000\r\n"


# ---- verdicts


def outcome(message: TortureMessage) -> int | None:
    """``ACCEPTED``, or the status of the refusal. A response is one when it can find its transaction."""
    try:
        parsed = parse(message.data)
        if isinstance(parsed, Request):
            refusal = check(parsed)
            return ACCEPTED if refusal is None else refusal.status
        assert parsed.via.branch
        assert parsed.cseq.method
    except SipError as error:
        return error.status
    return ACCEPTED


@every_message
def test_verdict(message: TortureMessage) -> None:
    assert outcome(message) == VERDICTS[message.name].parser


# ---- what is carried


def split(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Start line and header fields by RFC 3261 7.3.1, without the parser's help."""
    head = data.partition(b"\r\n\r\n")[0]
    unfolded = re.sub(rb"[ \t]*\r\n[ \t]+", b" ", head)
    start, *lines = unfolded.split(b"\r\n")
    return start, [(name.rstrip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@every_message
def test_what_is_carried_keeps_its_bytes(message: TortureMessage) -> None:
    """Nothing is lost, added, moved or changed in names and values by reading, whatever their meaning."""
    try:
        parsed = parse(message.data)
    except SipError:
        assert VERDICTS[message.name].parser is not ACCEPTED
        return
    assert [(encoded(name), encoded(value)) for _, name, value in parsed.fields] == split(message.data)[1]


@pytest.mark.parametrize(
    "name",
    [
        message.name
        for message in MESSAGES.values()
        if VERDICTS[message.name].parser is ACCEPTED and not message.data.startswith(b"SIP/2.0 ")
    ],
)
def test_what_is_forwarded_reads_the_same(name: str) -> None:
    """Written as a proxy would and read again: start line, header fields and body are what they were."""
    request = accepted(name)
    carried = [(name, value) for key, name, value in request.fields if key != "content-length"]
    written = write_request(request.method, request.target, carried, request.body)

    start, fields = split(written)
    assert start == split(MESSAGES[name].data)[0]
    assert fields[:-1] == [(encoded(name), encoded(value)) for name, value in carried]
    assert fields[-1] == (b"Content-Length", b"%d" % len(request.body))
    assert written.endswith(b"\r\n\r\n" + request.body)
    again = parse(written)
    assert isinstance(again, Request)
    assert (again.method, again.target, again.body) == (request.method, request.target, request.body)
    assert again.fields[:-1] == [field for field in request.fields if field[0] != "content-length"]


# ---- what single messages are about


def test_wsinv_is_understood() -> None:
    request = accepted("wsinv")
    assert (request.to.tag, request.from_.tag) == ("1918181833n", "98asjd8")
    assert request.from_.display == 'J Rosenberg \\"'
    assert (request.max_forwards, request.cseq.number, request.cseq.method) == (68, 9, "INVITE")
    assert (request.via.transport, request.via.host, request.via.branch) == ("UDP", "192.0.2.2", "390skdjuw")
    assert len(request.all("via")) == 3
    assert request.first("subject") == ""
    assert request.first("newfangledheader") == "newfangled value continued newfangled value"
    assert request.first("unknownheaderwithunusualvalue") == ";;,,;;,;"
    [contact] = request.contacts
    assert (contact.display, contact.params["q"], contact.params["newparam"]) == (
        'Quoted string ""',
        "0.33",
        "newvalue",
    )
    assert len(request.body) == 150


def test_escapes_stay_escaped_and_are_read_once() -> None:
    uri = accepted("esc01").uri
    assert (uri.user, uri.unescaped_user, uri.host) == (
        "sips%3Auser%40example.com",
        "sips:user@example.com",
        "example.net",
    )
    assert accepted("escnull").to.uri.unescaped_user == "null-\0-null"
    assert len(accepted("escnull").contacts) == 2


def test_percent_is_no_escape_in_methods_names_and_display_names() -> None:
    request = accepted("esc02")
    assert request.method == request.cseq.method == "RE%47IST%45R"
    assert request.to.display == "%Z%45"
    assert [contact.uri.user for contact in request.contacts] == ["alias1", "alias3"]
    assert request.first("c%6fntact") == "<sip:alias2@host2.example.com>"


def test_long_values_are_whole() -> None:
    request = accepted("longreq")
    assert request.from_.tag == "12" + "982" * 50 + "424"
    assert request.to.uri.port == 6000
    assert len(request.call_id) == len("longreq.one") + 20 * len("really") + len("longcallid")


def test_what_follows_content_length_is_no_part_of_the_message() -> None:
    assert accepted("dblreq").body == b""
    assert len(accepted("mult-ip-in-sdp").body) == 181


def test_a_user_may_hold_semicolons_and_an_escaped_at() -> None:
    uri = accepted("semiuri").uri
    assert (uri.unescaped_user, uri.host) == ("user;par=u@example.net", "example.com")


def test_a_binary_body_is_whole() -> None:
    body = accepted("mpart01").body
    assert len(body) == 553
    assert b"\x30\x82\x01\x52\x06\x09\x2a\x86" in body
    assert body.endswith(b"\r\n--7a9cbec02ceef655--\r\n")


def test_parameters_belong_to_the_contact_or_to_its_uri() -> None:
    [contact] = accepted("cparam01").contacts
    assert ("unknownparam" in contact.params, contact.uri.param("unknownparam")) == (True, None)
    [contact] = accepted("cparam02").contacts
    assert ("unknownparam" in contact.params, contact.uri.param("unknownparam")) == (False, "")


def test_a_contact_with_headers_needs_brackets() -> None:
    [contact] = accepted("regescrt").contacts
    assert contact.uri.headers == "Route=%3Csip:sip.example.com%3E"
    with pytest.raises(SipError) as refused:
        _ = accepted("regbadct").contacts
    assert refused.value.status == 400


def test_ports_and_addresses_of_ipv6_references() -> None:
    ambiguous, unambiguous = accepted("port-ambiguous").uri, accepted("port-unambiguous").uri
    assert (ambiguous.host, ambiguous.port) == ("[2001:db8::10:5070]", None)
    assert (unambiguous.host, unambiguous.port) == ("[2001:db8::10]", 5070)
    assert accepted("ipv4-mapped-ipv6").via.port == 19823
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert "2001:db8::9:255" in (accepted(name).via.params["received"] or "")


def test_ipv6_in_sdp_is_refused_for_its_content_length_alone() -> None:
    true = MESSAGES["ipv6-in-sdp"].data.replace(b"Content-Length: 268", b"Content-Length: 251")
    request = parse(true)
    assert isinstance(request, Request)
    assert check(request) is ACCEPTED
    assert len(request.body) == 251
