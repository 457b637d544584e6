"""websocket_client.conf."""

from __future__ import annotations

from typing import Any

import pytest

from switchroom.conf.problems import Problem
from switchroom.model.settings import OutboundSettings

from .conftest import Read

ARI = "[u]\ntype=user\npassword=x\n[o]\ntype=outbound_websocket\nwebsocket_client_id=c\napps=a\nlocal_ari_user=u\n"
CLIENT = "[c]\ntype=websocket_client\nconnection_type=persistent\nuri=wss://host.example/events\n"


def client(read: Read, text: str) -> tuple[OutboundSettings | None, list[Problem]]:
    configuration, problems = read(ari=ARI, websocket_client=text)
    return configuration.ari.outbound.get("o"), problems


def test_all_options(read: Read) -> None:
    found, problems = client(
        read,
        CLIENT + "protocols=ari,other\nusername=u\npassword=geheim\nconnection_timeout=2000\nreconnect_interval=100\n"
        "reconnect_attempts=4\ntls_enabled=yes\nca_list_file=ca.pem\nca_list_path=/etc/ca\ncert_file=c.pem\n"
        "priv_key_file=k.pem\nverify_server_cert=yes\nverify_server_hostname=no\nproxy_host=proxy.example:3128\n"
        "proxy_username=p\nproxy_password=auchgeheim\nenable_pingpongs=yes\npingpong_interval=7\npingpong_probes=2\n",
    )
    assert problems == []
    assert found is not None
    wanted: dict[str, Any] = {
        "uri": "wss://host.example/events",
        "protocols": ("ari", "other"),
        "username": "u",
        "password": "geheim",
        "connection_timeout": 2.0,
        "reconnect_interval": 0.1,
        "ca_file": "ca.pem",
        "ca_path": "/etc/ca",
        "cert_file": "c.pem",
        "key_file": "k.pem",
        "verify_server": True,
        "verify_hostname": False,
        "proxy": "proxy.example:3128",
        "proxy_username": "p",
        "proxy_password": "auchgeheim",
        "ping_interval": 7.0,
    }
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert "geheim" not in repr(found) + str(found)


def test_pings_are_off_unless_switched_on(read: Read) -> None:
    found, _ = client(read, CLIENT + "pingpong_interval=7\n")
    assert found is not None
    assert found.ping_interval == 0.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CLIENT.replace("type=websocket_client\n", ""), "no type=websocket_client"),
        (CLIENT.replace("connection_type=persistent\n", ""), "no connection_type"),
        (CLIENT.replace("persistent", "per_call_config"), "for calls"),
        (CLIENT.replace("wss://host.example/events", ""), "no usable uri"),
        (CLIENT.replace("wss:", "http:"), "no usable uri"),
        (CLIENT.replace("//", "//u:p@"), "no usable uri"),
        (CLIENT.replace("//host.example", "//host.example:0"), "no usable uri"),
        (CLIENT.replace("//host.example", "//[::1"), "no usable uri"),
        (CLIENT.replace("/events", "/a b"), "no usable uri"),
        (CLIENT + "proxy_host=proxy.example\n", "no usable proxy_host"),
        (CLIENT.replace("wss:", "ws:") + "proxy_host=proxy.example:80\n", "tunnels wss: only"),
    ],
)
def test_mistakes(read: Read, text: str, words: str) -> None:
    found, problems = client(read, text)
    assert found is None
    assert words in " ".join(p.text for p in problems)


def test_a_template_is_no_client(read: Read) -> None:
    found, problems = client(read, CLIENT.replace("[c]", "[t](!)") + "[c](t)\n")
    assert found is not None
    assert problems == []
