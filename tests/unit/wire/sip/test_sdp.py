"""Session descriptions in which nothing is sent (RFC 3264, RFC 8829)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from itertools import count

import pytest

from switchroom.wire.sip.limits import MAX_SDP, MAX_SDP_ATTRIBUTES, MAX_SDP_MEDIA
from switchroom.wire.sip.sdp import Session


def session(host: str = "192.0.2.1") -> Session:
    serial = count(1)
    return Session(host, lambda: f"{next(serial):016x}")


def lines(description: bytes | None) -> list[str]:
    assert description is not None
    assert description.endswith(b"\r\n")
    return description.decode().removesuffix("\r\n").split("\r\n")


def test_an_offer_to_a_phone() -> None:
    head, *rest = lines(session().offer(browser=False))
    assert head == "v=0"
    assert rest[0].startswith("o=- ")
    assert rest[0].endswith(" 1 IN IP4 192.0.2.1")
    assert rest[1:] == [
        *("s=-", "c=IN IP4 0.0.0.0", "t=0 0", "m=audio 9 RTP/AVP 0 8 101", "c=IN IP4 0.0.0.0"),
        *("a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=inactive"),
    ]


def test_an_offer_over_ipv6() -> None:
    offer = lines(session("[2001:db8::1]").offer(browser=False))
    assert offer[1].endswith(" IN IP6 2001:db8::1")
    assert offer[3] == "c=IN IP6 ::"


def test_an_offer_to_a_browser_has_what_its_call_needs() -> None:
    offer = lines(session().offer(browser=True))
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 101" in offer
    assert {"a=group:BUNDLE 0", "a=mid:0", "a=rtcp-mux", "a=setup:actpass", "a=inactive"} <= set(offer)
    values = dict(line[2:].split(":", 1) for line in offer if line.startswith("a=") and ":" in line)
    assert len(values["ice-ufrag"]) >= 4
    assert len(values["ice-pwd"]) >= 22
    kind, _, digest = values["fingerprint"].partition(" ")
    assert kind == "sha-256"
    assert len(bytes.fromhex(digest.replace(":", ""))) == 32


def test_each_description_of_a_session_counts_and_keeps_its_secrets() -> None:
    s = session()
    first, second = lines(s.offer(browser=True)), lines(s.offer(browser=True))
    assert first[1].split()[:2] == second[1].split()[:2]
    assert (first[1].split()[2], second[1].split()[2]) == ("1", "2")
    assert first[2:] == second[2:]


OFFER = """\
v=0
o=- 1 1 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=video 4002 RTP/AVP 96
a=rtpmap:96 VP8/90000
m=audio 4000 RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=sendrecv
m=audio 4004 RTP/AVP 8
"""


def test_the_answer_takes_the_first_audio_and_refuses_the_rest() -> None:
    answer = lines(session().answer(OFFER.replace("\n", "\r\n").encode()))
    assert answer[5:] == [
        "m=video 0 RTP/AVP 96",
        *("m=audio 9 RTP/AVP 0 101", "c=IN IP4 0.0.0.0", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16"),
        "a=inactive",
        "m=audio 0 RTP/AVP 8",
    ]


def test_the_answer_to_a_browser() -> None:
    offer = (
        "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE a v\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:a\na=rtpmap:111 opus/48000/2\na=setup:actpass\na=ice-ufrag:abcd\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\n"
    )
    answer = lines(session().answer(offer.encode()))
    assert "a=group:BUNDLE a" in answer
    assert "a=setup:active" in answer
    assert "a=ice-ufrag:abcd" not in answer
    assert answer.index("a=mid:a") > answer.index("m=audio 9 UDP/TLS/RTP/SAVPF 111")
    assert answer[-1] == "m=video 0 UDP/TLS/RTP/SAVPF 96"


@pytest.mark.parametrize(
    ("suite", "size"), [("AES_CM_128_HMAC_SHA1_80", 30), ("AEAD_AES_256_GCM", 44), ("AES_256_CM_HMAC_SHA1_32", 46)]
)
@pytest.mark.parametrize("rest", ["", "|2^31", "|2^31|1:1 UNENCRYPTED_SRTCP"])
def test_the_answer_to_encryption_by_a_key_in_the_offer_has_a_key_too(suite: str, size: int, rest: str) -> None:
    """RFC 4568: the first suite, a key of its length."""
    key = b64encode(bytes(size)).decode()
    offer = f"m=audio 1 RTP/SAVP 0\na=crypto:3 {suite} inline:{key}{rest}\na=crypto:4 OTHER inline:x\n"
    (crypto,) = [line for line in lines(session().answer(offer.encode())) if line.startswith("a=crypto")]
    assert crypto.startswith(f"a=crypto:3 {suite} inline:")
    assert len(b64decode(crypto.partition("inline:")[2])) == size
    assert key not in crypto


def test_an_offer_without_audio_is_refused_line_by_line() -> None:
    answer = lines(session().answer(b"v=0\nm=video 1 RTP/AVP 96\nm=audio 0 RTP/AVP 0\n"))
    assert answer[5:] == ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 0"]


@pytest.mark.parametrize(
    "offer",
    [
        *(b"", b"junk", b"v=0\r\n", b"m=audio\n", b"m=audio 1 RTP/AVP\n", b"m=audio 1 RTP/AVP 0\rm=x\n"),
        *(b"m=audio 1 RTP/AVP 0\0\n", b"m=audio 1 RTP/AVP 0\n" * (MAX_SDP_MEDIA + 1)),
        b"m=audio 1 RTP/AVP 0\n" + b" " * MAX_SDP,
    ],
)
def test_what_is_no_offer_has_no_answer(offer: bytes) -> None:
    assert session().answer(offer) is None


def test_attributes_without_end_are_not_repeated() -> None:
    offer = b"m=audio 1 RTP/AVP 0\n" + b"a=fmtp:0 x\n" * (MAX_SDP_ATTRIBUTES + 50)
    assert len(lines(session().answer(offer))) < MAX_SDP_ATTRIBUTES + 20


def test_bytes_that_are_no_text_come_back_as_they_were() -> None:
    answer = session().answer(b"m=audio 1 RTP/AVP 0\na=fmtp:0 \xff\n")
    assert answer is not None
    assert b"a=fmtp:0 \xff\r\n" in answer
