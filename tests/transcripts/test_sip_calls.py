"""Calls through the proxy as a telephone engineer reads them. See ``call_ladder``."""

from __future__ import annotations

from typing import Any

from support.call_world import at, exchange
from switchroom.tech.sip.limits import TIMER_C
from transcripts.call_ladder import Ladder

BROWSER = "sip:5rq8@df7jal23ls0d.invalid;transport=ws"


async def office(**more: Any) -> Ladder:
    """alice, and bob with a desk phone and a mobile one, which registered last."""
    x = await exchange("alice", "bob", **more)
    alice, desk = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    x.pass_time(1)
    return Ladder(x, alice=alice, desk=desk, mobile=at(x, "bob", "192.0.2.21:5060"))


async def two() -> Ladder:
    x = await exchange("alice", "bob")
    return Ladder(x, alice=at(x, "alice", "192.0.2.10:5060"), bob=at(x, "bob", "192.0.2.20:5060"))


async def test_the_call_of_rfc_3665_3_2() -> None:
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        bob   -> 100
        bob   -> 180
        alice <- 180
        bob   -> 200
        alice <- 200
        alice -> ACK
        bob   <- ACK
        bob   -> BYE
        alice <- BYE
        alice -> 200 BYE
        bob   <- 200 BYE
        wait 40
    """)
    assert ladder.exchange.calls == 0


async def test_the_200_is_lost_on_its_way_and_so_is_the_ack() -> None:
    """Who answered repeats its 200 until the ACK comes; nobody else repeats anything for it."""
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        bob   -> 200
        alice <- 200
        wait 0.5
        bob   -> 200
        alice <- 200
        alice -> ACK
        bob   <- ACK
        wait 1
        bob   -> 200
        alice <- 200
        alice -> ACK
        bob   <- ACK
        wait 40
    """)
    assert ladder.exchange.calls == 1


async def test_the_invite_is_lost_and_sent_again() -> None:
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        wait 0.6
        bob   <- INVITE
        wait 1
        bob   <- INVITE
        bob   -> 100              # from here on it is not repeated
        wait 30
        bob   -> 180
        alice <- 180
        bob   -> 486
        alice <- 486
        bob   <- ACK
        wait 0.5
        alice <- 486              # until its ACK comes
    """)


async def test_both_phones_ring_and_one_is_taken() -> None:
    ladder = await office()
    ladder.play("""
        alice  -> INVITE bob
        alice  <- 100
        desk   <- INVITE
        mobile <- INVITE
        desk   -> 180
        alice  <- 180
        mobile -> 180
        alice  <- 180
        mobile -> 200
        alice  <- 200
        desk   <- CANCEL
        alice  -> ACK
        mobile <- ACK
        desk   -> 200 CANCEL
        desk   -> 487
        desk   <- ACK
        alice  -> BYE
        mobile <- BYE
        mobile -> 200 BYE
        alice  <- 200 BYE
    """)
    assert ladder.exchange.calls == 0


async def test_the_caller_gives_up() -> None:
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        bob   -> 180
        alice <- 180
        alice -> CANCEL
        alice <- 200 CANCEL
        bob   <- CANCEL
        bob   -> 200 CANCEL
        bob   -> 487
        bob   <- ACK
        alice <- 487
    """)
    assert ladder.exchange.calls == 0


async def test_the_caller_gives_up_before_anybody_rings() -> None:
    """A CANCEL has to wait for a provisional answer (RFC 3261 9.1)."""
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        alice -> CANCEL
        alice <- 200 CANCEL
        bob   -> 180
        alice <- 180
        bob   <- CANCEL
        bob   -> 200 CANCEL
        bob   -> 487
        bob   <- ACK
        alice <- 487
    """)


async def test_the_caller_gives_up_a_phone_that_is_not_there() -> None:
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        alice -> CANCEL
        alice <- 200 CANCEL
        wait 33
        bob   <- INVITE
        bob   <- INVITE
        bob   <- INVITE
        bob   <- INVITE
        bob   <- INVITE
        bob   <- INVITE
        alice <- 487
        alice <- 487
    """)
    assert ladder.exchange.calls == 0


async def test_the_cancel_and_the_200_cross() -> None:
    """The caller has a call after all, and ends it as any other."""
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        bob   -> 180
        alice <- 180
        alice -> CANCEL
        alice <- 200 CANCEL
        bob   <- CANCEL
        bob   -> 200
        alice <- 200
        bob   -> 481 CANCEL
        alice -> ACK
        bob   <- ACK
        alice -> BYE
        bob   <- BYE
        bob   -> 200 BYE
        alice <- 200 BYE
        wait 40
    """)
    assert ladder.exchange.calls == 0


async def test_no_answer_for_three_minutes() -> None:
    ladder = await two()
    ladder.play(f"""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        bob   -> 180
        alice <- 180
        wait {TIMER_C + 0.1}
        bob   <- CANCEL
        bob   -> 200 CANCEL
        bob   -> 487
        bob   <- ACK
        alice <- 408
    """)
    assert ladder.exchange.calls == 0


async def test_one_after_another() -> None:
    ladder = await office(fork="first")
    ladder.play("""
        alice  -> INVITE bob
        alice  <- 100
        mobile <- INVITE
        mobile -> 486
        mobile <- ACK
        desk   <- INVITE
        desk   -> 180
        alice  <- 180
        desk   -> 200
        alice  <- 200
        alice  -> ACK
        desk   <- ACK
    """)


async def test_hold_and_retrieve_with_glare() -> None:
    ladder = await two()
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        bob   <- INVITE
        bob   -> 200
        alice <- 200
        alice -> ACK
        bob   <- ACK
        alice -> INVITE           # hold
        alice <- 100
        bob   <- INVITE
        bob   -> 491
        bob   <- ACK
        alice <- 491
        bob   -> UPDATE
        alice <- UPDATE
        alice -> 200 UPDATE
        bob   <- 200 UPDATE
        bob   -> REFER            # a transfer inside the call
        alice <- REFER
        alice -> 202 REFER
        bob   <- 202 REFER
        alice -> NOTIFY
        bob   <- NOTIFY
        bob   -> 200 NOTIFY
        alice <- 200 NOTIFY
        bob   -> BYE
        alice <- BYE
        alice -> 200 BYE
        bob   <- 200 BYE
        wait 2
        alice <- 491
        alice <- 491
    """)
    assert ladder.exchange.calls == 0


async def test_a_browser_and_a_phone() -> None:
    x = await exchange("alice", "bob")
    x.listen("ws", 8088)
    alice = at(x, "alice", "192.0.2.10:5060")
    ladder = Ladder(x, alice=alice, page=at(x, "bob", "192.0.2.20:40123", transport="ws", contact=BROWSER))
    ladder.play("""
        alice -> INVITE bob
        alice <- 100
        page  <- INVITE
        page  -> 180
        alice <- 180
        page  -> 200
        alice <- 200
        alice -> ACK
        page  <- ACK
        page  -> INFO
        alice <- INFO
        alice -> 200 INFO
        page  <- 200 INFO
        alice -> BYE
        page  <- BYE
        page  -> 200 BYE
        alice <- 200 BYE
    """)
    assert x.calls == 0


async def test_a_call_asks_who_it_is_by_407_and_the_bytes_of_it() -> None:
    """RFC 3261 22.3: a proxy asks so; the next INVITE brings the answer, which goes no further."""
    x = await exchange("alice", "bob")
    alice, bob = at(x, "alice", "192.0.2.10:5060"), at(x, "bob", "192.0.2.20:5060")
    alice.send(alice._outside("INVITE", "sip:bob@192.0.2.1", "bob", ""))
    (challenge,) = alice.take()
    assert challenge.data.startswith(b"SIP/2.0 407 Proxy Authentication Required\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;")
    assert b'\r\nProxy-Authenticate: Digest realm="asterisk",nonce="' in challenge.data
    alice.invite("bob")
    (invite,) = bob.take()
    assert b"uthorization" not in invite.data
