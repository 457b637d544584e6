"""``switchroom demo``: a server on the sample configuration, two phones, and what to type."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import uvloop

from switchroom.cli.terminal import complain, printable
from switchroom.conf import read_directory
from switchroom.demo import CONFIGURATION, PHONES
from switchroom.demo.phone import Phone, RegistrationFailed
from switchroom.server import Running, StartError, serve

GUIDE = """\

The console is at {base}/ and the REST interface at {base}/ari (user demo, password demo).
Phones register at {host}:{port} over UDP.
Type one of these in another terminal:

  curl -u demo:demo {base}/ari/endpoints
    lists all endpoints as JSON: alice and bob are online, carol waits for a softphone of yours,
    dave for a browser (Phone, in the console).

  curl -i -u demo:demo -X PUT '{base}/ari/endpoints/sendMessage?to=pjsip:alice&from=pjsip:bob&body=Hello'
    is answered 202 Accepted; alice gets the text, and it is shown here.

  curl -i -u demo:demo -X POST '{base}/ari/endpoints/refer?to=pjsip:bob&from=pjsip:alice&refer_to=pjsip:alice'
    is answered 202 Accepted; bob is asked to call alice, plays the call and reports how it went, all shown here.

Control-C ends the demo.
"""


def run_demo(http_port: int, sip_port: int) -> int:
    """Plays the demo until a signal; the exit status."""
    try:
        return uvloop.run(_play(http_port, sip_port))
    except StartError as refused:
        return complain(f"{refused}; other ports: switchroom demo --http-port PORT --sip-port PORT")
    except RegistrationFailed as failed:
        return complain(str(failed))


async def _play(http_port: int, sip_port: int) -> int:
    configuration, _ = read_directory(CONFIGURATION)
    assert configuration.sip is not None
    configuration = msgspec.structs.replace(
        configuration,
        http=msgspec.structs.replace(configuration.http, bind_port=http_port),
        sip=msgspec.structs.replace(
            configuration.sip,
            transports={
                name: msgspec.structs.replace(transport, bind_port=sip_port)
                for name, transport in configuration.sip.transports.items()
            },
        ),
    )
    started: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    # The demo shows what its phones do; of the server's log only what went wrong.
    serving = asyncio.create_task(serve(configuration, None, ready=started.set_result, log_level="warning"))
    phones: list[Phone] = []
    try:
        waited: set[asyncio.Future[Any]] = {serving, started}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            running = started.result()
            address = next(iter(running.sip.values()))
            for name, password in PHONES.items():
                phones.append(Phone(name, password, address, _show))
                await phones[-1].start()
            print(GUIDE.format(base=running.base, host=address[0], port=address[1]), flush=True)
        return await serving
    finally:
        for phone in phones:
            phone.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def _show(line: str) -> None:
    print(printable(line), flush=True)
