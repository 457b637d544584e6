"""Transactions as a telephone engineer reads them: what comes in, what goes out, and when. See ``ladder``."""

from __future__ import annotations

import pytest

from transcripts.ladder import TCP, UDP, Line, play

# ---- requests of the phone that are no INVITE


def test_a_register_answered_at_once_and_repeated_by_the_phone() -> None:
    line = play("""
        0.0   phone REGISTER
        0.0   told  REGISTER
        0.0   user  answer 200 REGISTER
        0.0   sent  200 REGISTER
        0.5   phone REGISTER            # the 200 was lost
        0.5   sent  200 REGISTER
        31.9  phone REGISTER
        31.9  sent  200 REGISTER
        33.1  phone REGISTER            # Timer J is over: a new transaction
        33.1  told  REGISTER
    """)
    assert len(set(line.packets)) == 1
    assert line.packets[0] == (
        b"SIP/2.0 200 OK\r\n"
        b"Via: SIP/2.0/UDP phone.example.com;branch=z9hG4bK1;received=192.0.2.1;rport=40001\r\n"
        b"From: <sip:alice@example.com>;tag=alice\r\n"
        b"To: <sip:us@example.com>;tag=" + line.stack.to_tag(line.theirs["REGISTER"]).encode() + b"\r\n"
        b"Call-ID: theirs\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
    )


def test_a_message_that_takes_its_time() -> None:
    """RFC 4320: nothing before 3.5 s, then a 100, which calms the phone's Timer E."""
    line = play("""
        0.0   phone MESSAGE
        0.0   told  MESSAGE
        0.1   user  begin MESSAGE
        0.5   phone MESSAGE
        1.5   phone MESSAGE
        3.6   sent  100 MESSAGE
        7.5   phone MESSAGE
        7.5   sent  100 MESSAGE
        9.0   user  answer 202 MESSAGE
        9.0   sent  202 MESSAGE
        11.5  phone MESSAGE
        11.5  sent  202 MESSAGE
    """)
    assert b"To: <sip:us@example.com>\r\n" in line.packets[0]


def test_a_message_that_nobody_answers() -> None:
    """RFC 4320: no 408, and no late answer either."""
    play("""
        0.0   phone MESSAGE
        0.0   told  MESSAGE
        0.0   user  begin MESSAGE
        3.5   sent  100 MESSAGE
        31.0  user  answer 408 MESSAGE
        33.0  user  answer 200 MESSAGE
        34.0  phone MESSAGE             # a last copy: known, and given its 100
        34.0  sent  100 MESSAGE
        38.0  phone MESSAGE
        38.0  told  MESSAGE
    """)


def test_a_challenge_costs_nothing_and_is_given_again() -> None:
    play("""
        0.0   phone REGISTER
        0.0   told  REGISTER
        0.0   user  challenge REGISTER
        0.0   sent  401 REGISTER
        0.5   phone REGISTER
        0.5   told  REGISTER
        0.5   user  challenge REGISTER
        0.5   sent  401 REGISTER
    """)


def test_a_stream_repeats_nothing() -> None:
    play(
        """
        0.0   phone MESSAGE
        0.0   told  MESSAGE
        0.0   user  begin MESSAGE
        3.5   sent  100 MESSAGE
        4.0   user  answer 200 MESSAGE
        4.0   sent  200 MESSAGE
        90.0  user  flow breaks
        """,
        TCP,
    )


# ---- calls from the phone


def test_a_call_that_is_refused() -> None:
    """Timers G and I: the refusal is repeated until its ACK, and the ACK is absorbed as often as it comes."""
    line = play("""
        0.0   phone INVITE
        0.0   told  INVITE
        0.0   user  begin INVITE
        0.0   sent  100 INVITE
        0.2   phone INVITE              # crossed with the 100
        0.2   sent  100 INVITE
        1.0   user  answer 180 INVITE
        1.0   sent  180 INVITE
        1.1   phone INVITE
        1.1   sent  180 INVITE
        2.0   user  answer 486 INVITE
        2.0   sent  486 INVITE
        2.5   sent  486 INVITE
        3.5   sent  486 INVITE
        4.0   phone INVITE
        4.0   sent  486 INVITE
        4.1   phone ACK
        4.2   phone ACK
        4.3   phone INVITE              # a late copy
        9.2   phone INVITE z            # another call
        9.2   told  INVITE
    """)
    tags = {packet.split(b"To: ")[1].split(b"\r\n")[0] for packet in line.packets[2:]}
    assert len(tags) == 1
    assert line.stack.counts()["server"] == 0


def test_a_refusal_that_is_never_acknowledged() -> None:
    """Timer G doubles up to T2, Timer H ends it."""
    line = play("""
        0.0   phone INVITE
        0.0   told  INVITE
        0.0   user  answer 486 INVITE
        0.0   sent  486 INVITE
        0.5   sent  486 INVITE
        1.5   sent  486 INVITE
        3.5   sent  486 INVITE
        7.5   sent  486 INVITE
        11.5  sent  486 INVITE
        15.5  sent  486 INVITE
        19.5  sent  486 INVITE
        23.5  sent  486 INVITE
        27.5  sent  486 INVITE
        31.5  sent  486 INVITE
        99.0  user  flow breaks
    """)
    assert line.stack.idle()
    assert line.stack.next_timer() is None


def test_a_call_that_is_answered() -> None:
    """RFC 6026: the 2xx is its sender's to repeat, the ACK has a branch of its own and goes to the user."""
    play("""
        0.0   phone INVITE
        0.0   told  INVITE
        0.0   user  begin INVITE
        0.0   sent  100 INVITE
        3.0   user  answer 200 INVITE
        3.0   sent  200 INVITE
        3.2   phone INVITE              # absorbed: Accepted
        3.5   user  answer 200 INVITE   # the user repeats it, no ACK yet
        3.5   sent  200 INVITE
        3.6   phone ACK 2 us
        3.6   told  ACK
        3.7   user  answer 486 INVITE   # too late to refuse
        36.0  phone INVITE              # Timer L is over, the branch still known
        36.0  user  answer 180 INVITE   # nothing brings it back to life
        70.0  phone INVITE
        70.0  told  INVITE
    """)


def test_a_call_that_is_cancelled() -> None:
    line = play("""
        0.0   phone INVITE
        0.0   told  INVITE
        0.0   user  begin INVITE
        0.0   sent  100 INVITE
        2.0   phone CANCEL
        2.0   told  CANCEL of INVITE
        2.0   user  answer 200 CANCEL
        2.0   sent  200 CANCEL
        2.0   user  answer 487 INVITE
        2.0   sent  487 INVITE
        2.1   phone CANCEL
        2.1   sent  200 CANCEL
        2.2   phone ACK
    """)
    # 9.2: the To tag of both answers is the same.
    assert line.packets[1].split(b"tag=")[2][:12] == line.packets[2].split(b"tag=")[2][:12]


def test_a_cancel_that_comes_too_late() -> None:
    play("""
        0.0   phone CANCEL
        0.0   told  CANCEL
        0.0   user  answer 481 CANCEL
        0.0   sent  481 CANCEL
    """)


def test_a_call_without_credentials() -> None:
    """S19: one packet for one packet, and the ACK to an answer nobody remembers does not reach the user."""
    line = Line(UDP)
    line.phone("INVITE")
    line.look()
    line.user("challenge INVITE")
    line.look()
    line.phone(f"ACK 1 {line.stack.to_tag(line.theirs['INVITE'])}")
    line.pass_time(40.0)
    assert line.seen == ["0 told INVITE", "0 sent 401 INVITE"]
    assert line.stack.next_timer() is None


def test_a_refused_call_on_a_stream() -> None:
    """No Timer G, and Timer I is zero: the ACK ends it."""
    line = play(
        """
        0.0   phone INVITE
        0.0   told  INVITE
        0.0   user  answer 486 INVITE
        0.0   sent  486 INVITE
        20.0  phone ACK
        """,
        TCP,
    )
    assert line.stack.counts()["server"] == 0


# ---- our requests that are no INVITE


def test_a_message_of_ours_to_a_silent_phone() -> None:
    """Timer E doubles up to T2, Timer F ends it: eleven packets in 32 s."""
    play("""
        0.0   user  ask MESSAGE
        0.0   sent  MESSAGE
        0.5   sent  MESSAGE
        1.5   sent  MESSAGE
        3.5   sent  MESSAGE
        7.5   sent  MESSAGE
        11.5  sent  MESSAGE
        15.5  sent  MESSAGE
        19.5  sent  MESSAGE
        23.5  sent  MESSAGE
        27.5  sent  MESSAGE
        31.5  sent  MESSAGE
        32.0  told  timeout
        32.1  phone 200 MESSAGE
        32.1  told  stray
    """)


def test_a_message_of_ours_answered_twice() -> None:
    line = play("""
        0.0   user  ask MESSAGE
        0.0   sent  MESSAGE
        0.5   sent  MESSAGE
        0.6   phone 100 MESSAGE
        0.6   told  100 MESSAGE
        1.5   sent  MESSAGE             # E goes on ...
        5.5   sent  MESSAGE             # ... at T2
        6.0   phone 200 MESSAGE
        6.0   told  200 MESSAGE
        6.1   phone 200 MESSAGE         # absorbed: Completed
        10.9  phone 200 MESSAGE
        12.1  phone 200 MESSAGE         # Timer K is over
        12.1  told  stray
    """)
    assert len(set(line.packets)) == 1


def test_a_message_of_ours_on_a_stream() -> None:
    play(
        """
        0.0   user  ask MESSAGE
        0.0   sent  MESSAGE
        32.0  told  timeout
        33.0  user  ask MESSAGE
        33.0  sent  MESSAGE
        33.5  user  flow breaks
        33.5  told  failure
        34.0  user  ask MESSAGE
        34.0  sent  MESSAGE
        34.1  phone 200 MESSAGE
        34.1  told  200 MESSAGE
        34.2  phone 200 MESSAGE         # Timer K is zero
        34.2  told  stray
        """,
        TCP,
    )


def test_the_clock_jumps() -> None:
    """After a suspend the request goes out once, not for each interval missed, or ends."""
    play("""
        0.0   user  ask MESSAGE
        0.0   sent  MESSAGE
        20.0  jump
        20.0  sent  MESSAGE
        21.0  sent  MESSAGE
        3600  jump
        3600  told  timeout
    """)


def test_the_clock_jumps_over_everything_that_lingers() -> None:
    line = play("""
        0.0   phone INVITE
        0.0   told  INVITE
        0.0   user  answer 486 INVITE
        0.0   sent  486 INVITE
        0.0   phone REGISTER
        0.0   told  REGISTER
        0.0   user  answer 200 REGISTER
        0.0   sent  200 REGISTER
        0.0   user  ask INVITE
        0.0   sent  INVITE
        3600  jump
        3600  told  timeout
        7200  jump
    """)
    assert line.stack.counts() == dict.fromkeys(line.stack.counts(), 0)


def test_the_clock_stands_still() -> None:
    play("""
        0.0   user  ask MESSAGE
        0.0   sent  MESSAGE
        0.0   jump
        0.4   jump
        0.5   sent  MESSAGE
        0.6   phone 200 MESSAGE
        0.6   told  200 MESSAGE
    """)


# ---- our calls


def test_a_call_of_ours_to_a_silent_phone() -> None:
    """Timer A doubles without end, Timer B ends it: seven packets."""
    play("""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.5   sent  INVITE
        1.5   sent  INVITE
        3.5   sent  INVITE
        7.5   sent  INVITE
        15.5  sent  INVITE
        31.5  sent  INVITE
        32.0  told  timeout
    """)


def test_a_call_of_ours_that_is_refused() -> None:
    line = play("""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   phone 100 INVITE
        0.1   told  100 INVITE
        60.0  phone 180 INVITE          # it may ring as long as it wants
        60.0  told  180 INVITE
        61.0  phone 486 INVITE
        61.0  sent  ACK
        61.0  told  486 INVITE
        61.5  phone 486 INVITE          # the ACK was lost
        61.5  sent  ACK
        61.6  phone 180 INVITE
        61.7  phone 200 INVITE
        93.1  phone 486 INVITE          # Timer D is over
        93.1  told  stray
    """)
    assert (
        line.packets[1]
        == line.packets[2]
        == (
            b"ACK sip:alice@192.0.2.1:40001 SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bKn1.t2\r\n"
            b"Max-Forwards: 70\r\n"
            b"Route: <sip:edge.example.com;lr>\r\n"
            b"From: <sip:us@example.com>;tag=us\r\n"
            b"To: <sip:alice@example.com>;tag=phone\r\n"
            b"Call-ID: ours\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
        )
    )


def test_a_call_of_ours_that_two_phones_answer() -> None:
    """RFC 6026: every 2xx, of each fork and each time, reaches the user for its ACK, for 64*T1."""
    play("""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   phone 180 INVITE one
        0.1   told  180 INVITE
        4.0   phone 200 INVITE one
        4.0   told  200 INVITE
        4.2   phone 200 INVITE two
        4.2   told  200 INVITE
        4.5   phone 200 INVITE one
        4.5   told  200 INVITE
        4.6   phone 180 INVITE two      # late
        4.7   phone 486 INVITE three    # no phone may refuse what another took
        5.0   user  flow breaks
        35.9  phone 200 INVITE two
        35.9  told  200 INVITE
        36.1  phone 200 INVITE two      # Timer M is over
        36.1  told  stray
    """)


def test_a_call_of_ours_that_we_cancel() -> None:
    line = play("""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.2   phone 180 INVITE
        0.2   told  180 INVITE
        5.0   user  cancel
        5.0   sent  CANCEL
        5.1   user  cancel              # once is enough
        5.5   sent  CANCEL
        5.6   phone 200 CANCEL
        5.7   phone 487 INVITE
        5.7   sent  ACK
        5.7   told  487 INVITE
    """)
    assert line.packets[1] == (
        b"CANCEL sip:alice@192.0.2.1:40001 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bKn1.t2\r\n"
        b"Max-Forwards: 70\r\n"
        b"Route: <sip:edge.example.com;lr>\r\n"
        b"From: <sip:us@example.com>;tag=us\r\n"
        b"To: <sip:alice@example.com>\r\n"
        b"Call-ID: ours\r\nCSeq: 7 CANCEL\r\nContent-Length: 0\r\n\r\n"
    )


def test_a_cancel_waits_for_the_first_provisional_answer() -> None:
    """9.1: before it the CANCEL could overtake the INVITE."""
    play("""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   user  cancel
        0.5   sent  INVITE
        0.6   phone 100 INVITE
        0.6   sent  CANCEL
        0.6   told  100 INVITE
        0.7   phone 180 INVITE
        0.7   told  180 INVITE
        0.8   phone 200 CANCEL
        0.9   phone 487 INVITE
        0.9   sent  ACK
        0.9   told  487 INVITE
    """)


@pytest.mark.parametrize("status", [200, 486])
def test_a_cancel_after_the_final_answer_is_not_sent(status: int) -> None:
    ack = "0.1   sent  ACK" if status == 486 else ""
    play(
        f"""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   phone {status} INVITE
        {ack}
        0.1   told  {status} INVITE
        0.2   user  cancel
    """
    )


def test_a_cancel_that_is_never_answered_is_no_news() -> None:
    line = play("""
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   phone 180 INVITE
        0.1   told  180 INVITE
        1.0   user  cancel
        1.0   sent  CANCEL
        40.0  jump
        41.0  user  forget
        41.1  phone 487 INVITE
        41.1  told  stray
    """)
    assert line.stack.counters["timeouts"] == 1


def test_a_call_of_ours_whose_flow_breaks() -> None:
    play(
        """
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   phone 180 INVITE
        0.1   told  180 INVITE
        9.0   user  flow breaks
        9.0   told  failure
        """,
        TCP,
    )


def test_a_refused_call_of_ours_on_a_stream() -> None:
    """Timer D is zero."""
    line = play(
        """
        0.0   user  ask INVITE
        0.0   sent  INVITE
        0.1   phone 486 INVITE
        0.1   sent  ACK
        0.1   told  486 INVITE
        """,
        TCP,
    )
    assert line.stack.counts()["client"] == 0
