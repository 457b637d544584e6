"""Kamailio, a SIP proxy that others put in front of a server or beside it, with a configuration of our own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.config import Address
from wire.process import program

#: Where a configuration for others to copy stands.
_GUIDE = Path(__file__).parents[2] / "docs/how-to/edge-proxy.md"

#: How it runs here: small, alone, without DNS.
_PROCESS = """\
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
listen=udp:{here}
listen=tcp:{here}
"""

_HEAD = """\
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
"""

#: What every proxy does: hops, CANCEL, requests inside dialogs.
_ROUTE = """\
request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    force_rport();
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route() || (is_method("ACK") && t_check_trans())) t_relay();
        else if (!is_method("ACK")) sl_send_reply("404", "Not Here");
        exit;
    }}
    t_check_trans();
"""

#: In front: phones register through it, and it is in the Path of what comes back. It keeps nothing of them.
_EDGE = """\
loadmodule "path.so"
modparam("path", "use_received", 1)
modparam("path", "enable_r2", 0)
modparam("rr", "enable_double_rr", 1)
{route}
    if ($si == "{server.host}" && $sp == {server.port}) {{
        # The Route that the Path became says where the phone is; it counts as no route, being the last one.
        loose_route();
        record_route();
        t_relay();
        exit;
    }}
    remove_hf("Route");
    if (is_method("REGISTER")) {{
        if (!search_hf("Supported", "path", "a")) append_hf("Supported: path\\r\\n");
        add_path_received();
    }} else if (is_method("INVITE|SUBSCRIBE|REFER")) {{
        record_route();
    }}
    $du = "sip:{server}";
    t_relay();
}}
"""

#: Beside: what comes from the server goes to phones of its own, what they send goes to the server.
_TRUNK = """\
loadmodule "usrloc.so"
loadmodule "registrar.so"
{route}
    if (is_method("REGISTER")) {{
        save("location");
        exit;
    }}
    record_route();
    if ($si == "{server.host}" && $sp == {server.port}) {{
        if (!lookup("location")) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
    }} else {{
        $rd = "{server.host}";
        $rp = {server.port};
    }}
    t_relay();
}}
"""


@asynccontextmanager
async def edge(path: str, folder: Path, here: Address, server: Address) -> AsyncIterator[None]:
    """An edge proxy in front of ``server``."""
    async with _kamailio(path, folder, here, _HEAD + _EDGE.format(route=_ROUTE.format(), server=server)):
        yield


@asynccontextmanager
async def guided(path: str, folder: Path, here: Address, server: Address) -> AsyncIterator[None]:
    """An edge proxy as the guide shows it, but for the addresses, and with the server at its own host."""
    shown = re.search(r"^```\n#!KAMAILIO\n(.*?)^```$", _GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert shown is not None
    script = shown[1]
    for guide, ours in (
        ("listen=udp:10.0.0.1:5060\n", ""),
        ("src_ip == 10.0.0.2", f"src_ip == {server.host} && src_port == {server.port}"),
        ("sip:10.0.0.2:5060", f"sip:{server}"),
    ):
        assert script.count(guide) == 1
        script = script.replace(guide, ours)
    async with _kamailio(path, folder, here, script):
        yield


@asynccontextmanager
async def trunk(path: str, folder: Path, here: Address, server: Address) -> AsyncIterator[None]:
    """A server of its own beside ``server``, with phones that need no password."""
    async with _kamailio(path, folder, here, _HEAD + _TRUNK.format(route=_ROUTE.format(), server=server)):
        yield


@asynccontextmanager
async def _kamailio(path: str, folder: Path, here: Address, routes: str) -> AsyncIterator[None]:
    script = _configure(folder, "#!KAMAILIO\n" + _PROCESS.format(here=here) + routes)
    # -DD -E: in the foreground, with its log on standard error; 16 MB that its processes share, 4 MB for each.
    options = ("-DD", "-E", "-m", "16", "-M", "4", "-Y", str(folder), "-f", str(script))
    async with program(path, *options, folder=folder) as run:
        await run.says("Listening on")
        yield


def _configure(folder: Path, text: str) -> Path:
    folder.mkdir()
    script = folder / "kamailio.cfg"
    script.write_text(text, encoding="utf-8")
    return script
