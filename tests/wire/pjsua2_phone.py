"""A pjsua2 phone without sound, for a process of its own: ``pjsua2_phone.py NAME PASSWORD HOST:PORT TRANSPORT [srtp]``,
or with a proxy ``NAME PASSWORD HOST:PORT TRANSPORT "" proxy``.

With ``srtp`` it takes encrypted media (RFC 4568) and no other; with ``proxy`` everything it sends goes to its server.

Tells what happens as JSON lines on standard output: ``["registered", STATUS]``, ``["message", FROM, TYPE, BODY]``,
``["sent", STATUS]``; of calls ``["incoming", FROM]``, ``["call", STATE, STATUS]`` with the states CALLING, EARLY,
CONFIRMED and DISCONNECTED, ``["media", DIRECTION]``, ``["hears"]`` when sound arrives, ``["transfer", STATUS]``.

Takes JSON lines on standard input: ``["send", URI, BODY]``, ``["unregister"]``; of calls ``["call", URI]``,
``["answer", STATUS]``, ``["hangup", STATUS]``, ``["hold"]``, ``["resume"]``, ``["transfer", URI]``. They concern the
latest call. Ends at the end of its input.
"""

from __future__ import annotations

import json
import os
import select
import sys

import pjsua2 as pj

#: Milliseconds the library is given between two looks at standard input.
_TURN = 20

#: Standard input, whose buffer would keep from ``select`` what came together.
_INPUT = 0

#: PJ_EINVALIDOP: the call is being changed already.
_NOT_NOW = 70013

_TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}

_DIRECTIONS = {
    pj.PJMEDIA_DIR_NONE: "none",
    pj.PJMEDIA_DIR_ENCODING: "sends",
    pj.PJMEDIA_DIR_DECODING: "receives",
    pj.PJMEDIA_DIR_ENCODING_DECODING: "both",
}


def tell(*what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Call(pj.Call):  # type: ignore[misc]
    """One call. Method names are the library's."""

    def __init__(self, account: Account, number: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, number)
        self._account = account
        #: Whether sound arrived, once it may.
        self._hears: bool | None = None
        self.ended = False

    def onCallState(self, _: pj.OnCallStateParam) -> None:  # noqa: N802
        info = self.getInfo()
        tell("call", info.stateText, info.lastStatusCode)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self._hears = None
            self.ended = True

    def onCallMediaState(self, _: pj.OnCallMediaStateParam) -> None:  # noqa: N802
        # The library's lists do not keep what they are part of.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            tell("media", _DIRECTIONS[media.dir])
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self._account.silence.startTransmit(self.getAudioMedia(index))
                self._hears = self._hears or False

    def onCallTransferStatus(self, status: pj.OnCallTransferStatusParam) -> None:  # noqa: N802
        tell("transfer", status.statusCode)

    def onCallTransferRequest(self, request: pj.OnCallTransferRequestParam) -> None:  # noqa: N802
        tell("referred", request.dstUri)
        request.newCall = self._account.take(Call(self._account))

    def listen(self) -> None:
        """Tells when the first sound arrives."""
        if self._hears is False and self.getStreamStat(0).rtcp.rxStat.pkt > 0:
            self._hears = True
            tell("hears")


class Account(pj.Account):  # type: ignore[misc]
    """The phone's one account. Method names are the library's."""

    def __init__(self, silence: pj.AudioMedia) -> None:
        super().__init__()
        self.silence = silence
        self.calls: list[Call] = []

    def take(self, call: Call) -> Call:
        self.calls.append(call)
        return call

    def attend(self) -> None:
        """Looks after the calls. Those that ended go here: in their own callbacks the library still uses them."""
        self.calls = [call for call in self.calls if not call.ended]
        for call in self.calls:
            call.listen()

    def onRegState(self, state: pj.OnRegStateParam) -> None:  # noqa: N802
        tell("registered" if self.getInfo().regIsActive else "unregistered", state.code)

    def onInstantMessage(self, message: pj.OnInstantMessageParam) -> None:  # noqa: N802
        tell("message", message.fromUri, message.contentType, message.msgBody)

    def onInstantMessageStatus(self, status: pj.OnInstantMessageStatusParam) -> None:  # noqa: N802
        tell("sent", status.code)

    def onIncomingCall(self, incoming: pj.OnIncomingCallParam) -> None:  # noqa: N802
        call = self.take(Call(self, incoming.callId))
        tell("incoming", call.getInfo().remoteUri)


def start(
    endpoint: pj.Endpoint, name: str, password: str, server: str, protocol: str, encryption: str = "", proxy: str = ""
) -> Account:
    """Brings the library up on a free port of 127.0.0.1 and registers."""
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.medConfig.noVad = True
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
    settings.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    if proxy:
        settings.sipConfig.proxies.append(f"sip:{server};transport={protocol};lr")
    if encryption:
        settings.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
        settings.mediaConfig.srtpSecureSignaling = 0
    account = Account(endpoint.audDevManager().getCaptureDevMedia())
    account.create(settings)
    return account


def send(account: Account, uri: str, body: str) -> None:
    buddy, to = pj.Buddy(), pj.BuddyConfig()
    to.uri = uri
    buddy.create(account, to)
    message = pj.SendInstantMessageParam()
    message.content = body
    buddy.sendInstantMessage(message)


def carry_out(account: Account, what: str, *arguments: str | int) -> None:
    settings = pj.CallOpParam(True)
    if what == "unregister":
        account.setRegistration(False)
    elif what == "send":
        send(account, *map(str, arguments))
    elif what == "call":
        account.take(Call(account)).makeCall(arguments[0], settings)
    elif what in ("answer", "hangup"):
        settings.statusCode = arguments[0]
        getattr(account.calls[-1], what)(settings)
    elif what == "hold":
        account.calls[-1].setHold(settings)
    elif what == "resume":
        settings.opt.flag = pj.PJSUA_CALL_UNHOLD
        account.calls[-1].reinvite(settings)
    else:
        account.calls[-1].xfer(arguments[0], settings)


def can_do(account: Account, what: str, *arguments: str | int) -> bool:
    """Carries a command out, unless it has to wait for another one: a call changes in one respect at a time."""
    try:
        carry_out(account, what, *arguments)
    except pj.Error as error:
        if error.status != _NOT_NOW:
            tell("failed", error.status, error.reason)
        return bool(error.status != _NOT_NOW)
    return True


def main() -> None:
    endpoint = pj.Endpoint()
    account = start(endpoint, *sys.argv[1:])
    waiting: list[bytes] = []
    begun = b""
    while True:
        endpoint.libHandleEvents(_TURN)
        account.attend()
        if select.select([_INPUT], [], [], 0)[0]:
            data = os.read(_INPUT, 65_536)
            if not data:
                break
            *lines, begun = (begun + data).split(b"\n")
            waiting += lines
        if waiting and can_do(account, *json.loads(waiting[0])):
            del waiting[0]
    account.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main()
