"""Kamailio in front, as an edge proxy that puts itself into the Path, and beside, as a trunk known by its address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from support.ari import ari_client
from support.config import Address, free_port, sip_address, user, write_config
from support.events import events
from support.programs import need_package, need_program
from support.server import running_server
from support.wait import until
from wire.kamailio import edge, guided, trunk
from wire.pjsua import Pjsua2, pjsua2

#: Where the trunk is: an address of its own, by which it is known.
_BESIDE = "127.0.0.2"

_TRUNK = """\
[out](endpoint)
aors=out
identify_by=ip
[out](aor)
contact=sip:{trunk}
[out]
type=identify
endpoint=out
match={trunk.host}
"""


@asynccontextmanager
async def talking(caller: Pjsua2, called: Pjsua2, uri: str) -> AsyncIterator[None]:
    """A call in which both hear each other, until the called one hangs up at the end of the block."""
    caller.do("call", uri)
    await called.tells("incoming")
    called.do("answer", 180)
    await caller.tells("call", "EARLY", 180)
    called.do("answer", 200)
    await caller.tells("call", "CONFIRMED", 200)
    await caller.tells("hears")
    yield
    called.do("hangup", 0)
    await caller.tells("call", "DISCONNECTED", 200)


async def writes(sender: Pjsua2, uri: str, recipient: Pjsua2, text: str) -> None:
    """A text of a phone arrives at the other one."""
    sender.do("send", uri, text)
    await recipient.tells("message")
    assert text in recipient.run.output()
    await sender.tells("sent", 202)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("edge", [edge, guided])
async def test_in_front(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    edge: Callable[[str, Path, Address, Address], AbstractAsyncContextManager[None]],
    transport: str,
) -> None:
    """Both phones know the edge alone; a phone on TCP is behind another connection than the server's."""
    need_package("pjsua2", request)
    path = need_program("kamailio", request)
    users = "".join(map(user, ("pia", "pat"))).replace("(aor)\n", "(aor)\nsupport_path=yes\n")
    config = write_config(tmp_path / "config", pjsip=users)
    here = Address("127.0.0.1", free_port())
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        edge(path, tmp_path / "edge", here, server.sip),
        pjsua2(tmp_path / "pia", "pia", here, transport) as pia,
        pjsua2(tmp_path / "pat", "pat", here, "udp") as pat,
    ):
        (contact,) = (await ari.ask("GET", "/ari/endpoints/PJSIP/pia/contacts")).json
        assert contact["address"] == str(here)
        to_pat = f"sip:pat@{here};transport={transport}"

        answer = await ari.ask("PUT", "/ari/endpoints/sendMessage?to=pjsip:pia&from=pat&body=from+the+server")
        assert answer.status == 202
        await pia.tells("message", "<sip:pat@127.0.0.1>", "text/plain", "from the server")
        await writes(pia, to_pat, pat, "through the edge twice")

        async with talking(pia, pat, to_pat):
            # A re-INVITE of either side goes the same way.
            pia.do("hold")
            await pat.tells("media", "receives")
            pia.do("resume")
            await pat.tells("media", "both")
        async with talking(pat, pia, f"sip:pia@{here}"):
            pat.do("hold")
            await pia.tells("media", "receives")

        query = urlencode(
            {"to": "pjsip:pia", "from": "sip:desk@example.org", "refer_to": f"<{to_pat}>", "fallback": "invite"}
        )
        referral = (await ari.ask("POST", f"/ari/endpoints/refer?{query}")).headers["location"]
        await pia.tells("incoming")
        pia.do("answer", 200)
        await pia.tells("referred")
        await pat.tells("incoming")
        pat.do("answer", 200)

        async def answered() -> bool:
            return bool((await ari.ask("GET", referral)).json["state"] == "answered")

        await until(answered, "the referral answered", 30)
        assert server.log_errors() == []


async def test_beside(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """max is a phone of the trunk's, pia one of ours."""
    need_package("pjsua2", request)
    path = need_program("kamailio", request)
    there = Address(_BESIDE, free_port(_BESIDE))
    config = write_config(tmp_path / "config", pjsip=user("pia") + _TRUNK.format(trunk=there))
    server_at = sip_address(config)
    async with (
        running_server(config) as server,
        ari_client(server.base) as ari,
        events(server.base, "app", subscribe_all=True) as heard,
        trunk(path, tmp_path / "trunk", there, server_at),
        pjsua2(tmp_path / "pia", "pia", server_at, "udp", "", "proxy") as pia,
        pjsua2(tmp_path / "max", "max", there, "udp") as max_,
    ):
        await writes(pia, f"sip:max@{there}", max_, "to the trunk")
        answer = await ari.ask("PUT", f"/ari/endpoints/sendMessage?to=pjsip:out/sip:max@{there}&from=pia&body=so+too")
        assert answer.status == 202
        await max_.tells("message", "<sip:pia@127.0.0.1>", "text/plain", "so too")

        await heard.settled(ari)
        await writes(max_, f"sip:pia@{there}", pia, "from the trunk")
        text = await heard.next_of("TextMessageReceived")
        assert (text["endpoint"]["resource"], text["message"]["body"]) == ("out", "from the trunk")

        async with talking(pia, max_, f"sip:max@{there}"):
            pia.do("hold")
            await max_.tells("media", "receives")
        async with talking(max_, pia, f"sip:pia@{there}"):
            max_.do("hold")
            await pia.tells("media", "receives")
        assert server.log_errors() == []
