"""websocket_client.conf: how to reach the servers that outbound WebSockets of ari.conf connect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from switchroom.conf.options import Honoured, Table, TableReader
from switchroom.conf.parse import (
    Misread,
    boolean,
    cautious_boolean,
    choice,
    host_and_port,
    milliseconds,
    names,
    plain,
    whole,
)
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Section

#: Seconds between pings where they are switched on, as Asterisk.
_PING_SECONDS = 20


def _uri(text: str) -> str:
    """``ws:`` or ``wss:`` with a host, and nothing secret in it: URIs end up in logs."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or any(sign.isspace() for sign in text):
        raise Misread("a ws: or wss: URI without a user", meanwhile="until then it is not connected to")
    return text


def _proxy(text: str) -> str:
    host, port = host_and_port(text)
    if not host or port is None:
        raise Misread("a proxy, as host:port", meanwhile="until then it is not connected to", value=None)
    return text


CLIENT = Table(
    "a WebSocket client",
    {
        "connection_type": Honoured("_type", choice("persistent", "per_call_config")),
        "uri": Honoured("uri", _uri),
        "protocols": Honoured("protocols", names),
        "username": Honoured("username", plain),
        "password": Honoured("password", plain, secret=True),
        "connection_timeout": Honoured("connection_timeout", milliseconds(1, 3_600_000)),
        "reconnect_interval": Honoured("reconnect_interval", milliseconds(1, 3_600_000)),
        "ca_list_file": Honoured("ca_file", plain),
        "ca_list_path": Honoured("ca_path", plain),
        "cert_file": Honoured("cert_file", plain),
        "priv_key_file": Honoured("key_file", plain),
        "verify_server_cert": Honoured("verify_server", cautious_boolean),
        "verify_server_hostname": Honoured("verify_hostname", cautious_boolean),
        "proxy_host": Honoured("proxy", _proxy),
        "proxy_username": Honoured("proxy_username", plain),
        "proxy_password": Honoured("proxy_password", plain, secret=True),
        "enable_pingpongs": Honoured("_pings", boolean),
        "pingpong_interval": Honoured("_interval", whole(1, 86_400)),
    },
    # The scheme of the URI says whether there is TLS, and the connection is tried for ever, as in Asterisk.
    accepted=frozenset(
        (
            *("type", "tls_enabled", "reconnect_attempts", "enable_tcp_keepalives", "pingpong_probes"),
            *("tcp_keepalive_time", "tcp_keepalive_interval", "tcp_keepalive_probes"),
        )
    ),
    any_case=True,
)


def read_clients(sections: Sequence[Section], problems: Problems) -> dict[str, dict[str, Any]]:
    """Fields of ``OutboundSettings`` by the name of the section; what can not work is left out, with an error."""
    reader = TableReader(CLIENT, problems)
    found: dict[str, dict[str, Any]] = {}
    for section in sections:
        if section.template:
            continue
        values = reader.read(section)
        wrong = _unfit(values, section.kind)
        if wrong:
            problems.error(section.source, f'the WebSocket client "{section.name}" {wrong}', "Correct it")
            continue
        interval = values.pop("_interval", _PING_SECONDS)
        if values.pop("_pings", False):
            values["ping_interval"] = float(interval)
        del values["_type"]
        found[section.name] = values
    return found


def _unfit(values: dict[str, Any], kind: str) -> str:
    """What is wrong with a client; empty when nothing is."""
    if kind != "websocket_client":
        return "has no type=websocket_client"
    if values.get("_type") is None:
        return "has no connection_type"
    if values["_type"] != "persistent":
        return "is for calls, of which there are none here; connection_type=persistent is supported"
    if not values.get("uri"):
        return "has no usable uri"
    if values.get("proxy", "") is None:
        return "has no usable proxy_host"
    if values.get("proxy") and values["uri"].startswith("ws:"):
        return "has a proxy, which tunnels wss: only"
    return ""
