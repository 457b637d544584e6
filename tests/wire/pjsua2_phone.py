"""A pjsua2 phone without sound, for a process of its own: ``pjsua2_phone.py NAME PASSWORD HOST:PORT TRANSPORT``.

Tells what happens as JSON lines on standard output: ``["registered", STATUS]``, ``["message", FROM, TYPE, BODY]``,
``["sent", STATUS]``. Takes JSON lines on standard input: ``["send", URI, BODY]``, ``["unregister"]``. Ends at
its end.
"""

from __future__ import annotations

import json
import select
import sys

import pjsua2 as pj

#: Milliseconds the library is given between two looks at standard input.
_TURN = 20

_TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


def tell(*what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Account(pj.Account):  # type: ignore[misc]
    """The phone's one account. Method names are the library's."""

    def onRegState(self, state: pj.OnRegStateParam) -> None:  # noqa: N802
        tell("registered" if self.getInfo().regIsActive else "unregistered", state.code)

    def onInstantMessage(self, message: pj.OnInstantMessageParam) -> None:  # noqa: N802
        tell("message", message.fromUri, message.contentType, message.msgBody)

    def onInstantMessageStatus(self, status: pj.OnInstantMessageStatusParam) -> None:  # noqa: N802
        tell("sent", status.code)


def start(endpoint: pj.Endpoint, name: str, password: str, server: str, protocol: str) -> Account:
    """Brings the library up on a free port of 127.0.0.1 and registers."""
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(_TRANSPORTS[protocol], transport)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    settings = pj.AccountConfig()
    settings.idUri = f"sip:{name}@{server.partition(':')[0]}"
    settings.regConfig.registrarUri = f"sip:{server};transport={protocol}"
    settings.regConfig.timeoutSec = 120
    settings.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", name, 0, password))
    account = Account()
    account.create(settings)
    return account


def carry_out(account: Account, what: str, *arguments: str) -> None:
    if what == "unregister":
        account.setRegistration(False)
        return
    uri, body = arguments
    buddy, to = pj.Buddy(), pj.BuddyConfig()
    to.uri = uri
    buddy.create(account, to)
    message = pj.SendInstantMessageParam()
    message.content = body
    buddy.sendInstantMessage(message)


def main() -> None:
    endpoint = pj.Endpoint()
    account = start(endpoint, *sys.argv[1:5])
    while True:
        endpoint.libHandleEvents(_TURN)
        if select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if not line:
                break
            carry_out(account, *json.loads(line))
    account.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main()
