"""S08: no forged Authorization header gets in.

The door below does what the registrar does with the kernel's parts, in the order ``digest`` documents. Each forgery
starts from credentials that would be let in, most of them signed with the right password, and changes one thing; the
same door then lets the unchanged ones in, so no forgery is refused for another reason than its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count

import pytest

from switchroom.wire.sip.digest import hash_ha1, names_target, parse_credentials, verify
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.nonces import Nonces, NonceVerdict
from switchroom.wire.sip.uri import parse_uri

REALM = "asterisk"
PASSWORDS = {"alice": "correct horse", "mallory": "staple", "": "", "alice@": ""}
CONFIGURED = frozenset({"alice", "mallory"})
LIFETIME = 32
SOURCE, ELSEWHERE = "192.0.2.1", "203.0.113.66"
METHOD, TARGET = "REGISTER", "sip:pbx.example.com"


class Door:
    """One realm, two accounts, MD5 and SHA-256 offered."""

    def __init__(self) -> None:
        self.nonces = Nonces(b"s08" * 8)
        self.now = 5000.0

    def nonce(self, *, source: str = SOURCE, realm: str = REALM, age: float = 0.0) -> str:
        return self.nonces.issue(source, realm, self.now - age)

    def admits(self, value: str, *, method: str = METHOD, target: str = TARGET, body: bytes = b"") -> bool:
        try:
            credentials = parse_credentials(value)
        except SipError:
            return False
        known = (
            credentials.username in CONFIGURED
            and credentials.realm == REALM
            and credentials.algorithm in ("MD5", "SHA-256")
        )
        password = PASSWORDS[credentials.username] if known else "nobody's"
        ha1 = hash_ha1(credentials.algorithm, credentials.username, REALM, password)
        right = verify(credentials, ha1, method, body)
        if not (right and known and names_target(credentials, parse_uri(target))):
            return False
        verdict = self.nonces.check(credentials.nonce, SOURCE, REALM, credentials.nc, self.now, LIFETIME)
        return verdict is NonceVerdict.OK


def signed(
    nonce: str,
    *,
    username: str = "alice",
    realm: str = REALM,
    uri: str = TARGET,
    algorithm: str | None = "MD5",
    hashed_with: str = "MD5",
    qop: str | None = "auth",
    nc: str = "00000001",
    cnonce: str = "c0ffee",
    method: str = METHOD,
    password: str | None = None,
    body: bytes = b"",
) -> dict[str, str]:
    """The parameters of credentials, the response right for all of them; computed here apart from the code tested."""

    def digest(text: bytes) -> str:
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[hashed_with]
        return hashlib.new(name, text).hexdigest()

    secret = PASSWORDS.get(username, "") if password is None else password
    ha1 = digest(f"{username}:{realm}:{secret}".encode())
    a2 = f"{method}:{uri}" + (f":{digest(body)}" if qop == "auth-int" else "")
    ha2 = digest(a2.encode())
    middle = f":{nc}:{cnonce}:{qop}" if qop else ""
    params = {
        "username": f'"{username}"',
        "realm": f'"{realm}"',
        "nonce": f'"{nonce}"',
        "uri": f'"{uri}"',
        "response": f'"{digest(f"{ha1}:{nonce}{middle}:{ha2}".encode())}"',
    }
    if algorithm is not None:
        params["algorithm"] = algorithm
    if qop:
        params |= {"qop": qop, "nc": nc, "cnonce": f'"{cnonce}"'}
    return params


def spelled(params: dict[str, str | None] | dict[str, str], scheme: str = "Digest") -> str:
    return f"{scheme} " + ", ".join(f"{name}={value}" for name, value in params.items() if value is not None)


def changed(door: Door, **changes: str | None) -> str:
    """Right credentials in which somebody changed parameters afterwards; None takes one out."""
    return spelled({**signed(door.nonce()), **changes})


def flip(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def once_used(door: Door, params: dict[str, str]) -> dict[str, str]:
    """Credentials as an eavesdropper has them: they have got somebody in."""
    assert door.admits(spelled(params))
    return params


def nonce_of(params: dict[str, str]) -> str:
    return params["nonce"].strip('"')


def after(door: Door, nonce: str, first: str, second: str) -> dict[str, str]:
    once_used(door, signed(nonce, nc=first))
    return signed(nonce, nc=second)


def capitals(door: Door) -> str:
    """RFC 7616: LHEX. Only where there is a letter to be spelled in capitals."""
    for number in count():
        params = signed(door.nonce(), cnonce=str(number))
        if not params["response"].strip('"').isdigit():
            return spelled(params | {"response": params["response"].upper()})
    raise AssertionError


Forgery = Callable[[Door], str]

FORGERIES: dict[str, Forgery] = {
    # the nonce; all of these are signed with the right password
    "nonce never issued": lambda d: spelled(signed("0123456789abcdef01234567")),
    "nonce empty": lambda d: spelled(signed("")),
    "nonce of another secret": lambda d: spelled(signed(Nonces(b"x" * 16).issue(SOURCE, REALM, d.now))),
    "nonce of another source": lambda d: spelled(signed(d.nonce(source=ELSEWHERE))),
    "nonce of another realm": lambda d: spelled(signed(d.nonce(realm="other"))),
    "nonce expired": lambda d: spelled(signed(d.nonce(age=LIFETIME + 1))),
    "nonce of yesterday": lambda d: spelled(signed(d.nonce(age=4000.0))),
    "nonce from the future": lambda d: spelled(signed(d.nonce(age=-60.0))),
    "nonce with a character changed": lambda d: spelled(signed(flip(d.nonce(), 3))),
    "nonce with its seal changed": lambda d: spelled(signed(flip(d.nonce(), 20))),
    "nonce cut short": lambda d: spelled(signed(d.nonce()[:-1])),
    "nonce with something behind it": lambda d: spelled(signed(d.nonce() + "A")),
    "nonce padded": lambda d: spelled(signed(d.nonce() + "====")),
    "nonce in the form of Asterisk": lambda d: spelled(signed("1700000000/d41d8cd98f00b204e9800998ecf8427e")),
    "nonce exchanged for a fresh one": lambda d: changed(d, nonce=f'"{d.nonce()}"'),
    # the count
    "nc used before": lambda d: spelled(once_used(d, signed(d.nonce()))),
    "nc lower than before": lambda d: spelled(after(d, d.nonce(), "00000005", "00000004")),
    "nc wrapped around": lambda d: spelled(after(d, d.nonce(), "ffffffff", "00000001")),
    "nc absent": lambda d: changed(d, nc=None),
    "nc empty": lambda d: changed(d, nc=""),
    "nc not hexadecimal": lambda d: spelled(signed(d.nonce(), nc="0000000z")),
    "nc of Arabic digits": lambda d: spelled(signed(d.nonce(), nc="٠٠٠٠٠٠٠١")),
    "nc huge": lambda d: spelled(signed(d.nonce(), nc="f" * 4000)),
    "nc of nine digits": lambda d: spelled(signed(d.nonce(), nc="000000001")),
    "nc of one digit": lambda d: spelled(signed(d.nonce(), nc="1")),
    "nc signed": lambda d: spelled(signed(d.nonce(), nc="+0000001")),
    "nc zero": lambda d: spelled(signed(d.nonce(), nc="00000000")),
    "nc raised without the password": lambda d: spelled(once_used(d, signed(d.nonce())) | {"nc": "00000002"}),
    # what was signed
    "signed for another method": lambda d: spelled(signed(d.nonce(), method="OPTIONS")),
    "signed for the method in lower case": lambda d: spelled(signed(d.nonce(), method="register")),
    "signed for another host": lambda d: spelled(signed(d.nonce(), uri="sip:evil.example.net")),
    "signed for a user": lambda d: spelled(signed(d.nonce(), uri="sip:alice@pbx.example.com")),
    "signed for no URI": lambda d: spelled(signed(d.nonce(), uri="*")),
    "signed for another scheme": lambda d: spelled(signed(d.nonce(), uri="tel:pbx.example.com")),
    "uri exchanged": lambda d: changed(d, uri='"sip:pbx.example.com:5060"'),
    "uri absent": lambda d: changed(d, uri=None),
    "uri empty": lambda d: spelled(signed(d.nonce(), uri="")),
    "body signed is another": lambda d: spelled(signed(d.nonce(), qop="auth-int", body=b"other")),
    # qop
    "qop taken out": lambda d: changed(d, qop=None),
    "qop, nc and cnonce taken out": lambda d: changed(d, qop=None, nc=None, cnonce=None),
    "qop signed as none, then added": lambda d: spelled(
        signed(d.nonce(), qop=None) | {"qop": "auth", "nc": "00000001", "cnonce": '"c"'}
    ),
    "qop auth said to be auth-int": lambda d: changed(d, qop="auth-int"),
    "qop empty": lambda d: changed(d, qop='""'),
    "qop unknown": lambda d: spelled(signed(d.nonce(), qop="auth-conf")),
    "qop of both": lambda d: spelled(signed(d.nonce(), qop='"auth,auth-int"')),
    "old form repeated": lambda d: spelled(once_used(d, signed(d.nonce(), qop=None))),
    "old form on a nonce that was counted": lambda d: spelled(
        signed(nonce_of(once_used(d, signed(d.nonce()))), qop=None)
    ),
    "count on a nonce spent in the old form": lambda d: spelled(
        signed(nonce_of(once_used(d, signed(d.nonce(), qop=None))), nc="00000009")
    ),
    "cnonce absent": lambda d: changed(d, cnonce=None),
    "cnonce empty": lambda d: spelled(signed(d.nonce(), cnonce="")),
    "cnonce exchanged": lambda d: changed(d, cnonce='"other"'),
    # the response
    "response absent": lambda d: changed(d, response=None),
    "response empty": lambda d: changed(d, response='""'),
    "response of zeros": lambda d: changed(d, response=f'"{"0" * 32}"'),
    "response cut short": lambda d: changed(d, response=signed(d.nonce())["response"][:-5] + '"'),
    "response of one character": lambda d: changed(d, response='"a"'),
    "response not ASCII": lambda d: changed(d, response=f'"{"é" * 32}"'),
    "response in capitals": capitals,
    "response without the password": lambda d: spelled(signed(d.nonce(), password="")),
    "response with a wrong password": lambda d: spelled(signed(d.nonce(), password="Correct horse")),
    # who it is
    "username absent": lambda d: changed(d, username=None),
    "username empty": lambda d: spelled(signed(d.nonce(), username="")),
    "username of sipsak without a user": lambda d: spelled(signed(d.nonce(), username="alice@")),
    "username unknown": lambda d: spelled(signed(d.nonce(), username="bob", password="nobody's")),
    "username in capitals": lambda d: spelled(signed(d.nonce(), username="ALICE", password="correct horse")),
    "username with a blank": lambda d: spelled(signed(d.nonce(), username="alice ", password="correct horse")),
    "username exchanged": lambda d: changed(d, username='"mallory"'),
    "mallory signs for alice": lambda d: spelled(signed(d.nonce(), username="alice", password="staple")),
    "realm absent": lambda d: changed(d, realm=None),
    "realm empty": lambda d: spelled(signed(d.nonce(), realm="")),
    "realm of another": lambda d: spelled(signed(d.nonce(), realm="other")),
    "realm in capitals": lambda d: spelled(signed(d.nonce(), realm="ASTERISK")),
    "realm said afterwards": lambda d: spelled(signed(d.nonce(), realm="other") | {"realm": f'"{REALM}"'}),
    # the algorithm
    "algorithm in other case, signed by none": lambda d: changed(d, algorithm="sHa-256"),
    "algorithm md5, hashed with SHA-256": lambda d: spelled(signed(d.nonce(), algorithm="md5", hashed_with="SHA-256")),
    "algorithm known but not offered": lambda d: spelled(
        signed(d.nonce(), algorithm="SHA-512-256", hashed_with="SHA-512-256")
    ),
    "algorithm MD5-sess": lambda d: spelled(signed(d.nonce(), algorithm="MD5-sess")),
    "algorithm unknown": lambda d: spelled(signed(d.nonce(), algorithm="ROT13")),
    "algorithm empty": lambda d: spelled(signed(d.nonce(), algorithm='""')),
    "algorithm with a blank": lambda d: spelled(signed(d.nonce(), algorithm='"MD5 "')),
    "algorithm left out, hashed with SHA-256": lambda d: spelled(
        signed(d.nonce(), algorithm=None, hashed_with="SHA-256")
    ),
    # how it is written
    "username twice": lambda d: changed(d) + ', username="mallory"',
    "username twice, in other case": lambda d: changed(d) + ', USERNAME="alice"',
    "nonce twice": lambda d: changed(d) + f', nonce="{d.nonce()}"',
    "nc twice": lambda d: changed(d) + ", nc=00000002",
    "response twice": lambda d: changed(d) + f', response="{"0" * 32}"',
    "quote never closed": lambda d: changed(d, username='"alice'),
    "quote closed by an escape": lambda d: changed(d, username='"alice\\"'),
    "parameters inside a quoted username": lambda d: changed(d, username='"alice\\", realm=\\"asterisk"'),
    "quote inside a token": lambda d: changed(d, qop='au"th'),
    "apostrophes for quotes": lambda d: changed(d, username="'alice'"),
    "semicolons for commas": lambda d: changed(d).replace(",", ";"),
    "no commas": lambda d: changed(d).replace(",", ""),
    "another scheme": lambda d: spelled(signed(d.nonce()), "Basic"),
    "no scheme": lambda d: changed(d).removeprefix("Digest "),
    "scheme run together": lambda d: changed(d).replace("Digest ", "Digest"),
    "Basic with the password": lambda d: "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==",
    "nothing": lambda d: "",
    "Digest and nothing": lambda d: "Digest",
    "too long": lambda d: changed(d, opaque=f'"{"o" * 70_000}"'),
}


def test_the_table_is_long_enough() -> None:
    assert len(FORGERIES) >= 40


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_credentials_do_not_get_in(name: str) -> None:
    door = Door()
    forged = FORGERIES[name](door)
    assert not door.admits(forged)
    # Nor at a second try, and the rightful owner is not locked out by it.
    assert not door.admits(forged)
    assert door.admits(spelled(signed(door.nonce())))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"algorithm": None},
        {"algorithm": "md5"},
        {"algorithm": "SHA-256", "hashed_with": "SHA-256"},
        {"algorithm": '"sha-256"', "hashed_with": "SHA-256"},
        {"qop": None},
        {"qop": "auth-int"},
        {"nc": "0000000A"},
        {"nc": "ffffffff"},
        {"uri": "sip:pbx.example.com:5060;transport=tcp"},
        {"username": "mallory"},
    ],
)
def test_right_credentials_get_in_once(params: dict[str, str]) -> None:
    """What forgeries are made from: without these the table above would prove nothing."""
    door = Door()
    value = spelled(signed(door.nonce(), **params))  # type: ignore[arg-type]
    assert door.admits(value)
    assert not door.admits(value)


def test_a_captured_header_is_worth_nothing_for_another_request() -> None:
    door = Door()
    for method, target, body in [
        ("INVITE", TARGET, b""),
        (METHOD, "sip:bob@pbx.example.com", b""),
        (METHOD, "sip:other.example.com", b""),
    ]:
        assert not door.admits(spelled(signed(door.nonce())), method=method, target=target, body=body)
    assert door.admits(spelled(signed(door.nonce(), qop="auth-int", body=b"text")), body=b"text")
    assert not door.admits(spelled(signed(door.nonce(), qop="auth-int", body=b"text")), body=b"other text")


def test_forgeries_leave_no_trace_in_the_table_of_counts() -> None:
    """Only who knows the password may use a count up, else anybody could lock a phone out."""
    door = Door()
    nonce = door.nonce()
    for number in range(1, 100):
        assert not door.admits(spelled(signed(nonce, nc=f"{number:08x}", password="guess")))
    assert len(door.nonces) == 0
    assert door.admits(spelled(signed(nonce)))
