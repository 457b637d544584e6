"""Many WebSockets at a time: some leave, some do not read, the others miss nothing."""

from __future__ import annotations

import asyncio

from security.test_s26 import ALL, deaf, numbers, publish
from support.wait import until
from switchroom.ari.limits import OUTBOX_BYTES, OUTBOX_EVENTS
from switchroom.model.endpoint import EndpointId
from unit.ari.edge import Edge, Wire, running

PHONES = 200


def inhabit(edge: Edge) -> list[str]:
    names = [f"phone{number}" for number in range(PHONES)]
    for name in names:
        edge.bus.publish(edge.registry.add(EndpointId("PJSIP", name), aors=(name,)))
    return names


async def test_many_close_while_phones_register() -> None:
    """In every way a WebSocket can end, with events under way to all of them. (Asterisk stops for good.)"""
    async with running(http={"sessionlimit": 1_000}) as edge:
        names = inhabit(edge)
        path = "/ari/events?app={}&subscribeAll=true"
        leaving = [await edge.listen(path.format(f"leaving{number}")) for number in range(150)]
        staying = await edge.listen(path.format("staying"))
        online: set[str] = set()

        async def listen() -> None:
            while len(online) < PHONES:
                event = await staying.event()
                if event["type"] == "PeerStatusChange":
                    online.add(event["endpoint"]["resource"])

        async def leave(number: int, wire: Wire) -> None:
            if number % 3 == 0:
                wire.frame(0x8, b"\x03\xe8")
            elif number % 3 == 1:
                wire.writer.transport.abort()
            await wire.close()

        listening = asyncio.create_task(listen())
        goodbyes = []
        for number, name in enumerate(names):
            edge.register(name)
            if number < len(leaving):
                goodbyes.append(asyncio.create_task(leave(number, leaving[number])))
            if number % 10 == 0:
                # Somebody comes, too, and takes a name over that is about to go.
                leaving.append(await edge.listen(path.format(f"leaving{number % 150}")))
            await asyncio.sleep(0)
        await asyncio.wait_for(listening, 20)
        assert online == set(names)
        await asyncio.gather(*goodbyes, *(leave(1, wire) for wire in leaving[150:]))
        await until(lambda: len(edge.service.sockets.open) == 1, "all but one to be gone")
        assert [a["name"] for a in (await edge.ask("GET", "/ari/applications")).json] == ["staying"]
        await staying.close()


async def test_a_hundred_of_which_five_never_read() -> None:
    async with running(http={"sessionlimit": 1_000}) as edge:
        healthy = [await edge.listen(ALL.format(f"healthy{number}")) for number in range(95)]
        stalled = [await deaf(edge, f"stalled{number}") for number in range(5)]
        waiting = {socket for socket in edge.service.sockets.open if socket.applications[0].name.startswith("stalled")}
        heard: list[list[int]] = [[] for _ in healthy]
        most = count = 0
        while edge.service.sockets.dropped < len(stalled):
            assert count < 10 * OUTBOX_EVENTS, "they were never closed"
            for _ in range(50):
                publish(edge, count, 20_000)
                count += 1
                most = max(most, *(socket._bytes for socket in waiting))
            for numbers_heard, some in zip(
                heard, await asyncio.gather(*(numbers(wire, 50) for wire in healthy)), strict=True
            ):
                numbers_heard += some
        assert all(numbers_heard == list(range(count)) for numbers_heard in heard)
        assert most <= OUTBOX_BYTES + 25_000
        await until(lambda: len(edge.service.sockets.open) == len(healthy), "the stalled ones to be gone")
        assert all(not socket._outbox for socket in waiting)
        for sock in stalled:
            sock.close()
        for wire in healthy:
            await wire.close()
