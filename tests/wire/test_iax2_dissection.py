"""What leaves us, read by Wireshark's dissector: every frame is what it is meant to be, none is malformed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.iax_world import PHONE, SERVER, IaxWorld, peer
from support.pcap import write_pcap
from support.programs import need_program


async def test_no_frame_is_malformed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tshark = need_program("tshark", request)
    w = await IaxWorld(peer()).start()
    phone = w.add()
    phone.register(w.clock.now)
    w.send("Grüße")
    phone.send_text("zurück", w.clock.now, called="1000", name="Ann")
    phone.unregister(w.clock.now)
    phone.secret = "wrong"
    phone.register(w.clock.now)
    phone.send_text("x", w.clock.now)
    w.inject(bytes.fromhex("80070037" + "00" * 7 + "0602"))
    capture = tmp_path / "iax2.pcap"
    ours = [(data, SERVER, to) for data, to in w.sent]
    theirs = [(data, source, SERVER) for data, source in w.heard]
    write_pcap(capture, ours + theirs)

    async def fields(*names: str) -> list[list[str]]:
        options = [part for name in names for part in ("-e", name)]
        process = await asyncio.create_subprocess_exec(
            *(tshark, "-r", str(capture), "-n", "-T", "fields", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return [line.split("\t") for line in out.decode().splitlines()]

    rows = await fields("_ws.malformed", "_ws.expert.message", "iax2.packet_type", "iax2.iax.subclass")
    assert len(rows) == len(ours) + len(theirs)
    assert {row[0] for row in rows} == {""}
    assert {row[1] for row in rows} == {""}
    assert all(row[2] for row in rows)
    commands = {int(row[3]) for row in rows if row[3]}
    # NEW to AUTHREP without LAG and PING, INVAL, the registration's, POKE and CALLTOKEN.
    assert commands >= {1, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 30, 40}
    texts = [row[0] for row in await fields("iax2.iax.app_addr.sinaddr") if row[0]]
    assert texts == [PHONE.host]
