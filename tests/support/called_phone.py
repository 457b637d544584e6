"""carol's phone, which takes a referral inside a call alone: the server calls it (``fallback = invite``)."""

from __future__ import annotations

from itertools import count

from support.sip_world import SERVER, Sent, SipWorld, aor, auth, phone, reply, settings
from switchroom.model.message import Fallback, ReferralState
from switchroom.tech.sip.limits import CALL_LINGERS
from switchroom.wire.sip.message import Response

CAROL = "192.0.2.5:5091"
CONTACT = f"Contact: <sip:carol@{CAROL}>\n"
OFFER = "v=0\no=- 1 1 IN IP4 192.0.2.5\ns=-\nc=IN IP4 192.0.2.5\nt=0 0\nm=audio 4000 RTP/AVP 0\na=sendrecv\n"
SDP = "Content-Type: application/sdp\n"


async def world(**of_carol: object) -> SipWorld:
    """alice and carol, each with a phone in the settings; more settings of carol."""
    w = await SipWorld(
        settings(
            phone("alice", auth=()),
            phone("carol", auth=(), outbound_auth=("carol",), **of_carol),
            aors=[aor("alice", contact=("sip:al@192.0.2.4:5090",)), aor("carol", contact=(f"sip:carol@{CAROL}",))],
            auths=[auth("carol", realm="*")],
        )
    ).start()
    w.sent()
    return w


def refer(w: SipWorld, headers: dict[str, str] | None = None, fallback: Fallback = Fallback.INVITE) -> Sent:
    w.referrals.refer("pjsip:carol", "alice", "alice", headers or {}, fallback=fallback)
    (sent,) = w.sent()
    assert sent.request.method == "REFER"
    return sent


def called(w: SipWorld, status: int = 405, headers: dict[str, str] | None = None) -> Sent:
    """The INVITE that a refusal leads to."""
    (invite,) = w.receive(reply(refer(w, headers), status), CAROL)
    assert invite.request.method == "INVITE"
    return invite


def takes(w: SipWorld, invite: Sent, tag: str = "phone", extra: str = "") -> list[Sent]:
    """What leaves when the phone is picked up."""
    text = reply(invite, 200, f"{CONTACT}{SDP}{extra}", OFFER).replace("tag=phone", f"tag={tag}")
    return w.receive(text, CAROL)


def referred(w: SipWorld) -> tuple[Sent, Sent]:
    """INVITE and REFER of a call in which the phone took the referral."""
    invite = called(w)
    ack, inside = takes(w, invite)
    assert (ack.request.method, inside.request.method) == ("ACK", "REFER")
    assert w.receive(reply(inside, 202), CAROL) == []
    return invite, inside


_branches = count(1)


def ask(invite: Sent, method: str, *, cseq: int = 1, extra: str = "", body: str = "", tag: str = "phone") -> str:
    """A request of the phone's inside the call."""
    r = invite.request
    return (
        f"{method} sip:alice@{SERVER}:5060 SIP/2.0\nVia: SIP/2.0/UDP {CAROL};branch=z9hG4bKp{next(_branches)}\n"
        f"Max-Forwards: 70\nFrom: <sip:carol@192.0.2.5>;tag={tag}\nTo: {r.first('from')}\nCall-ID: {r.call_id}\n"
        f"CSeq: {cseq} {method}\n{extra}Content-Length: {len(body)}\n\n{body}"
    )


def notify(invite: Sent, fragment: str, state: str = "active;expires=60", cseq: int = 1) -> str:
    extra = f"Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag\n"
    return ask(invite, "NOTIFY", cseq=cseq, extra=extra, body=f"{fragment}\r\n")


def answer(w: SipWorld, text: str) -> Response:
    """The first thing that leaves."""
    return w.receive(text, CAROL)[0].response


def progress(w: SipWorld) -> list[tuple[ReferralState, int]]:
    return [(report.state, report.status_code) for report in w.progress]


def nothing_left(w: SipWorld) -> bool:
    """Whether memory and schedule are as they were before, once what may still come has come."""
    w.pass_time(2 * CALL_LINGERS + 1)
    referring = w.sip._referring
    return not (referring._subscriptions or referring._tied or w.sip._referring._calls._calls or len(w.schedule))
