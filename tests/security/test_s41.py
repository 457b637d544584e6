"""S41: what is open when nobody has said anything. Nothing is."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from support.certificates import self_signed
from switchroom.conf import read_directory
from switchroom.model.settings import AriSettings, HttpSettings, SwitchroomSettings
from switchroom.net.certificates import client_context, server_context
from unit.ari.edge import basic, handshake, running


def test_without_files_nothing_listens_and_nobody_can_log_in(tmp_path: Path) -> None:
    configuration, _ = read_directory(tmp_path)
    assert not configuration.http.enabled
    assert not configuration.http.tls_enabled
    assert configuration.sip is None
    assert configuration.ari.users == {}
    assert configuration.ari.outbound == {}


def test_http_that_is_only_switched_on_is_for_this_machine(tmp_path: Path) -> None:
    (tmp_path / "http.conf").write_text("[general]\nenabled=yes\n", encoding="utf-8")
    configuration, _ = read_directory(tmp_path)
    assert configuration.http.enabled
    assert configuration.http.bind_host == "127.0.0.1"


def test_defaults() -> None:
    assert HttpSettings().bind_host == "127.0.0.1"
    assert AriSettings().allowed_origins == ()
    assert SwitchroomSettings().trusted_proxies == ()


@pytest.mark.parametrize(
    "credentials", [None, ("asterisk", "asterisk"), ("admin", "admin"), ("", ""), ("asterisk", "")]
)
async def test_no_user_is_there_by_default(credentials: tuple[str, str] | None) -> None:
    async with running(ari={"users": {}, "allowed_origins": ()}) as edge:
        auth = basic(*credentials) if credentials else None
        for path in ("/ari/endpoints", "/ari/asterisk/info", "/ari/api-docs/resources.json", "/ari/nope", "/ari"):
            assert (await edge.ask("GET", path, auth=auth)).status == 401
        wire = await edge.open()
        wire.send(handshake("/ari/events?app=a", auth))
        assert (await wire.answer()).status == 401
        await wire.close()


@pytest.mark.parametrize("path", ["/", "/httpstatus", "/static/", "/metrics", "/debug", "/console", "/manager", "/ws"])
async def test_nothing_else_is_served(path: str) -> None:
    async with running() as edge:
        for auth in (None, basic("asterisk", "asterisk")):
            assert (await edge.ask("GET", path, auth=auth)).status == 404


def test_tls_is_1_2_at_least(tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    for context in (server_context(str(made.cert), str(made.key)), client_context()):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_the_server_does_not_say_what_it_is_made_of() -> None:
    async with running() as edge:
        answer = await edge.ask("GET", "/nope", auth=None)
        assert answer.headers["server"] == "Switchroom"
        assert not {"x-powered-by", "via"} & set(answer.headers)
