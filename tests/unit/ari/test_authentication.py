"""Who asks."""

from __future__ import annotations

import pytest

from switchroom.ari.authentication import Authenticator, Failures, api_key, basic
from switchroom.ari.errors import Refusal
from switchroom.ari.limits import FAILURE_SECONDS, FAILURE_SOURCES, FAILURES, KNOWN_CREDENTIALS
from switchroom.model.settings import AriSettings
from unit.ari.edge import HASHED, RO, RW, USERS, Edge, FakeClock, running, user
from unit.ari.edge import basic as header


@pytest.mark.parametrize(
    ("text", "credentials"),
    [
        ("Basic YTpi", ("a", "b")),
        ("basic YTpi", ("a", "b")),
        ("BASIC  YTpi ", ("a", "b")),
        ("Basic YTpiOmM=", ("a", "b:c")),
        ("Basic YQ==", None),
        ("Basic /w==", None),
        ("Basic !", None),
        ("Basic \udcff", None),
        ("Basic", None),
        ("Bearer YTpi", None),
        (None, None),
    ],
)
def test_basic(text: str | None, credentials: tuple[str, str] | None) -> None:
    assert basic(text) == credentials


def test_api_key_is_the_first() -> None:
    assert api_key([("x", "y"), ("api_key", "a:b:c"), ("api_key", "d:e")]) == ("a", "b:c")
    assert api_key([("api_key", "nocolon"), ("api_key", "d:e")]) is None
    assert api_key([]) is None


PATH = "/ari/endpoints/PJSIP/carol"


@pytest.mark.parametrize(
    ("auth", "query", "status"),
    [
        (RW, "", 200),
        (RO, "", 200),
        (RW.replace("Basic", "bAsIc"), "", 200),
        (header("asterisk", "nope"), "", 401),
        (header("asterisk", ""), "", 401),
        (header("", ""), "", 401),
        (header("nobody", "asterisk"), "", 401),
        (header("ASTERISK", "asterisk"), "", 401),
        ("Bearer abc", "", 401),
        (None, "", 401),
        (None, "?api_key=asterisk:asterisk", 200),
        (None, "?api_key=asterisk%3Aasterisk", 200),
        (None, "?api_key=asterisk:x", 401),
        (None, "?api_key=asterisk:", 401),
        ("Bearer abc", "?api_key=asterisk:asterisk", 200),
        (header("asterisk", "nope"), "?api_key=asterisk:asterisk", 401),
        (RW, "?api_key=asterisk:wrong", 200),
        (header("far", "far"), "", 403),
    ],
)
async def test_credentials(edge: Edge, auth: str | None, query: str, status: int) -> None:
    answer = await edge.ask("GET", PATH + query, auth=auth)
    assert answer.status == status
    if status == 401:
        assert answer.json == {"message": "Authentication required"}
        assert answer.headers["www-authenticate"] == 'Basic realm="Asterisk REST Interface"'


async def test_realm_is_quoted() -> None:
    async with running(ari={"auth_realm": 'a"b\\c'}) as edge:
        answer = await edge.ask("GET", PATH, auth=None)
        assert answer.headers["www-authenticate"] == r'Basic realm="a\"b\\c"'


async def test_hashed_password() -> None:
    users = {
        **USERS,
        "hashed": user("hashed", HASHED, password_format="crypt"),
        "odd": user("odd", "x", password_format="crypt"),
    }
    async with running(ari={"users": users}) as edge:
        for _ in range(2):
            assert (await edge.ask("GET", PATH, auth=header("hashed", "hashed"))).status == 200
        assert (await edge.ask("GET", PATH, auth=header("hashed", "HASHED"))).status == 401
        assert (await edge.ask("GET", PATH, auth=header("hashed", "a\0b"))).status == 401
        assert (await edge.ask("GET", PATH, auth=header("odd", "x"))).status == 401
        assert (await edge.ask("GET", PATH, auth=header("nobody", "x"))).status == 401


def authenticator(clock: FakeClock) -> Authenticator:
    return Authenticator(AriSettings(users=USERS), clock)


async def fails(subject: Authenticator, name: str, password: str, source: str) -> bool:
    try:
        await subject.identify(header(name, password), [], source)
    except Refusal as refusal:
        return refusal.status == 401
    return False


async def test_too_many_failures_refuse_unseen_until_time_has_passed() -> None:
    clock = FakeClock()
    subject = authenticator(clock)
    for _ in range(FAILURES):
        assert await fails(subject, "reader", "wrong", "192.0.2.1")
    assert await fails(subject, "reader", "readpw", "192.0.2.1")
    assert not await fails(subject, "asterisk", "asterisk", "192.0.2.1"), "another account"
    clock.now += FAILURE_SECONDS
    assert not await fails(subject, "reader", "readpw", "192.0.2.1")


async def test_another_source_and_known_credentials_are_not_locked_out() -> None:
    subject = authenticator(FakeClock())
    assert not await fails(subject, "asterisk", "asterisk", "192.0.2.1")
    for _ in range(2 * FAILURES):
        assert await fails(subject, "asterisk", "wrong", "192.0.2.1")
        assert await fails(subject, "reader", "wrong", "192.0.2.1")
    assert not await fails(subject, "asterisk", "asterisk", "192.0.2.1")
    assert not await fails(subject, "reader", "readpw", "192.0.2.2")


async def test_known_credentials_are_bounded() -> None:
    subject = authenticator(FakeClock())
    for i in range(KNOWN_CREDENTIALS + 10):
        await subject.identify("Basic " + " " * i + RW.partition(" ")[2], [], "192.0.2.1")
    assert len(subject._known) == KNOWN_CREDENTIALS


def test_failures_are_bounded() -> None:
    failures = Failures(FakeClock())
    for i in range(FAILURE_SOURCES + 10):
        failures.add(f"host{i}", "")
    assert len(failures._counts) == FAILURE_SOURCES


def test_an_ipv6_network_counts_as_one() -> None:
    failures = Failures(FakeClock())
    for i in range(FAILURES):
        failures.add(f"2001:db8:1:2:{i}::1", "")
    assert failures.blocked("2001:db8:1:2:ffff::1", "")
    assert not failures.blocked("2001:db8:1:3::1", "")
