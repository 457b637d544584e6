"""Digest: the vectors of the RFCs, and what is refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchroom.wire.sip.digest import (
    ALGORITHMS,
    Challenge,
    answer,
    hash_ha1,
    names_target,
    parse_challenge,
    parse_credentials,
    verify,
    write_challenge,
)
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.uri import parse_uri

#: RFC 7616 3.9.1: one request answered with two algorithms.
RFC_7616 = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


def rfc_7616_credentials(algorithm: str, response: str) -> str:
    return (
        'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
        f"algorithm={algorithm}, "
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
        'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
        f'response="{response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )


@pytest.mark.parametrize(("algorithm", "response"), RFC_7616.items())
def test_vector_of_rfc_7616(algorithm: str, response: str) -> None:
    credentials = parse_credentials(rfc_7616_credentials(algorithm, response))
    ha1 = hash_ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert verify(credentials, ha1, "GET")
    assert not verify(credentials, ha1, "PUT")
    assert not verify(credentials, hash_ha1(algorithm, "Mufasa", "http-auth@example.org", "circle of life"), "GET")


def test_vector_of_rfc_2617() -> None:
    credentials = parse_credentials(
        'Digest username="Mufasa",realm="testrealm@host.com",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        'uri="/dir/index.html",qop=auth,nc=00000001,cnonce="0a4f113b",'
        'response="6629fae49393a05397450978507c4ef1",opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    assert credentials.algorithm == "MD5"
    assert verify(credentials, hash_ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life"), "GET")


def test_form_of_rfc_2069() -> None:
    credentials = parse_credentials(
        'Digest username="Mufasa",realm="testrealm@host.com",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        'uri="/dir/index.html",response="670fd8c2df070c60b045671b8b24ff02"'
    )
    assert (credentials.qop, credentials.nc, credentials.cnonce) == ("", None, "")
    assert verify(credentials, hash_ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life"), "GET")


def test_sha_512_256_is_the_truncated_variant_and_not_a_cut() -> None:
    expected = hashlib.new("sha512_256", b"alice:realm:secret").hexdigest()
    assert hash_ha1("SHA-512-256", "alice", "realm", "secret") == expected
    assert expected != hashlib.sha512(b"alice:realm:secret").hexdigest()[:64]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("qop", ["", 'qop="auth",', 'qop="auth-int",', 'qop="auth-int, auth",'])
def test_what_we_answer_we_accept(algorithm: str, qop: str) -> None:
    challenge = parse_challenge(f'Digest realm="pbx",nonce="n1",{qop}algorithm={algorithm},opaque=""')
    ha1 = hash_ha1(algorithm, "alice", "pbx", "secret")
    value = answer(
        challenge, method="MESSAGE", uri="sip:bob@pbx", username="alice", ha1=ha1, cnonce="c", nc=10, body=b"hello"
    )
    credentials = parse_credentials(value)
    assert verify(credentials, ha1, "MESSAGE", b"hello")
    assert credentials.nc == (10 if qop else None)
    assert verify(credentials, ha1, "MESSAGE", b"other") == (credentials.qop != "auth-int")


def test_opaque_is_sent_back_only_when_there_was_one() -> None:
    with_opaque = parse_challenge('Digest realm="r",nonce="n",opaque="o\\"p"')
    without = parse_challenge('Digest realm="r",nonce="n"')

    def answered(challenge: Challenge) -> str:
        return answer(challenge, method="OPTIONS", uri="sip:a", username="u", ha1="0" * 32, cnonce="c")

    assert answered(with_opaque).endswith(', opaque="o\\"p"')
    assert "opaque" not in answered(without)


def test_phones_spell_it_in_their_ways() -> None:
    """The username need not stand first, blanks may be many, tokens may be quoted or in other case."""
    credentials = parse_credentials(
        'dIgEsT  realm="asterisk" , nonce="n",ALGORITHM="md5", username="alice", uri="sip:h", '
        f'response="{"0" * 32}", QoP="auth", cnonce="c", NC=0000000A'
    )
    assert credentials.algorithm == "MD5"
    assert (credentials.nc, credentials.nc_text) == (10, "0000000A")


GOOD = {
    "username": '"alice"',
    "realm": '"asterisk"',
    "nonce": '"n"',
    "uri": '"sip:pbx"',
    "response": f'"{"0" * 32}"',
    "qop": "auth",
    "nc": "00000001",
    "cnonce": '"c"',
}


def spelled(**changes: str | None) -> str:
    return "Digest " + ",".join(f"{k}={v}" for k, v in (GOOD | changes).items() if v is not None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Digest",
        "Digest ",
        "Basic YWxpY2U6c2VjcmV0",
        spelled(username=None),
        spelled(username='""'),
        spelled(realm=None),
        spelled(realm='""'),
        spelled(nonce=None),
        spelled(nonce='""'),
        spelled(uri=None),
        spelled(uri='""'),
        spelled(response=None),
        spelled(response='""'),
        spelled(response=f'"{"0" * 31}"'),
        spelled(response=f'"{"0" * 64}"'),
        spelled(response=f'"{"A" * 32}"'),
        spelled(response=f'"{"٠" * 32}"'),
        spelled(algorithm="SHA-256"),
        spelled(algorithm="MD5-sess"),
        spelled(algorithm="none"),
        spelled(algorithm='""'),
        spelled(qop='""'),
        spelled(qop="AUTH"),
        spelled(qop='"auth,auth-int"'),
        spelled(qop="auth-conf"),
        spelled(qop=None),
        spelled(qop=None, nc=None),
        spelled(qop=None, cnonce=None),
        spelled(nc=None),
        spelled(nc="1"),
        spelled(nc="000000001"),
        spelled(nc="0000000g"),
        spelled(nc="0x000001"),
        spelled(nc="-0000001"),
        spelled(nc="0000_001"),
        spelled(nc="٠٠٠٠٠٠٠1"),
        spelled(nc="00000000"),
        spelled(cnonce=None),
        spelled(cnonce='""'),
        spelled() + ',username="bob"',
        spelled(username='"alice'),
        spelled(username=f'"{"a" * 5000}"'),
    ],
)
def test_incomplete_or_ambiguous_credentials_are_refused(value: str) -> None:
    with pytest.raises(SipError) as caught:
        parse_credentials(value)
    assert caught.value.status == 400


def test_the_good_one_of_the_table_above_is_good() -> None:
    assert parse_credentials(spelled()).nc == 1


@given(st.text(max_size=200))
def test_any_text_is_credentials_or_the_documented_error(text: str) -> None:
    for value in (text, f"Digest {text}", spelled(username=text), spelled(cnonce=text, algorithm=text)):
        try:
            credentials = parse_credentials(value)
        except SipError:
            continue
        assert not verify(credentials, "0" * 32, "REGISTER")


def test_bytes_that_are_not_utf_8_are_hashed_as_they_came() -> None:
    name = b"al\xffce".decode("utf-8", "surrogateescape")
    ha1 = hashlib.md5(b"al\xffce:r:secret").hexdigest()
    assert hash_ha1("MD5", name, "r", "secret") == ha1


@pytest.mark.parametrize(
    ("digest_uri", "target", "same"),
    [
        ("sip:bob@pbx.example.com", "sip:bob@pbx.example.com", True),
        ("sip:pbx.example.com:5060", "sip:pbx.example.com", True),
        ("sip:bob@PBX.example.com;transport=tcp", "sip:bob@pbx.example.com:5062", True),
        ("sips:bob@pbx.example.com", "sip:bob@pbx.example.com", True),
        ("sip:b%6Fb@pbx.example.com", "sip:bob@pbx.example.com", True),
        ("sip:[2001:db8::1]:5060", "sip:[2001:db8::1]", True),
        ("tel:+123", "tel:+123", True),
        ("sip:alice@pbx.example.com", "sip:bob@pbx.example.com", False),
        ("sip:pbx.example.com", "sip:bob@pbx.example.com", False),
        ("sip:bob@other.example.com", "sip:bob@pbx.example.com", False),
        ("sip:Bob@pbx.example.com", "sip:bob@pbx.example.com", False),
        ("tel:+123", "sip:+123@pbx.example.com", False),
        ("sip:+123@pbx.example.com", "tel:+123", False),
        ("tel:+124", "tel:+123", False),
        ("bob@pbx.example.com", "sip:bob@pbx.example.com", False),
        ("sip:b%FFb@pbx.example.com", "sip:bob@pbx.example.com", False),
        ("*", "sip:pbx.example.com", False),
    ],
)
def test_digest_uri_names_the_target(digest_uri: str, target: str, same: bool) -> None:
    credentials = parse_credentials(spelled(uri=f'"{digest_uri}"'))
    assert names_target(credentials, parse_uri(target)) is same


def test_challenge_is_short_and_reads_back() -> None:
    value = write_challenge("asterisk", "n" * 24)
    assert value == f'Digest realm="asterisk",nonce="{"n" * 24}",algorithm=MD5,qop="auth"'
    full = parse_challenge(write_challenge('a "b"', "n", "o", "SHA-256", stale=True))
    assert full == ('a "b"', "n", "o", "SHA-256", ("auth",), True)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "NTLM abc",
        'Digest realm="r"',
        'Digest realm="r",nonce=""',
        'Digest realm="r",nonce="n",algorithm=MD4',
        'Digest realm="r",nonce="n",qop="auth-conf"',
        'Digest realm="r",nonce="n",nonce="m"',
    ],
)
def test_challenges_nobody_can_answer(value: str) -> None:
    with pytest.raises(SipError):
        parse_challenge(value)


def test_credentials_do_not_show_what_could_be_replayed() -> None:
    text = repr(parse_credentials(spelled(nonce='"secretnonce"')))
    assert "secretnonce" not in text
    assert "0" * 32 not in text
    assert "alice" in text


def test_unknown_algorithm_has_no_ha1() -> None:
    with pytest.raises(SipError):
        hash_ha1("MD6", "alice", "r", "secret")
