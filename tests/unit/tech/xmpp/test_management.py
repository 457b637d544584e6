"""What is counted of stanzas, apart from any stream."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from switchroom.tech.xmpp.limits import CONFIRM_EVERY
from switchroom.tech.xmpp.management import Management


def plugin(*, enabled: bool = True, last_ack: int = 0, handled: int = 0) -> Any:
    """What slixmpp's plugin keeps."""
    return SimpleNamespace(
        enabled_in=enabled, enabled_out=enabled, unacked_queue=deque(), last_ack=last_ack, handled=handled, sm_id="id"
    )


def confirms(count: int) -> Element:
    return Element("a", {"h": str(count)})


def test_a_question_is_answered_when_all_before_it_is_confirmed() -> None:
    management = Management(plugin())
    for name in "abc":
        management.sent(name)
    assert management.ask("q") == '<r xmlns="urn:xmpp:sm:3"/>'
    management.sent("d")
    assert management.confirm(confirms(2)) == ""
    assert management.confirm(confirms(3)) == "q"
    assert management.confirm(confirms(4)) == ""
    assert management.unconfirmed == 0


def test_with_nothing_to_confirm_any_word_is_an_answer() -> None:
    management = Management(plugin(last_ack=7))
    management.ask("q")
    assert management.confirm(confirms(7)) == "q"


def test_counts_wrap() -> None:
    figures = plugin(last_ack=2**32 - 1, handled=2**32 - 1)
    management = Management(figures)
    management.sent("a")
    management.sent("b")
    management.ask("q")
    assert management.confirm(confirms(1)) == "q"
    assert (figures.last_ack, management.unconfirmed) == (1, 0)
    management.received()
    assert management.acknowledgement() == '<a xmlns="urn:xmpp:sm:3" h="0"/>'


@pytest.mark.parametrize("count", [2, -1, 2**31])
def test_more_than_was_sent_is_no_confirmation(count: int) -> None:
    management = Management(plugin())
    management.sent("a")
    with pytest.raises(ValueError, match="more than was sent"):
        management.confirm(confirms(count))
    assert management.unconfirmed == 1


def test_the_server_is_asked_now_and_then_and_not_after_a_question() -> None:
    management = Management(plugin())
    asked = [bool(management.sent("x")) for _ in range(CONFIRM_EVERY * 2)]
    assert [number for number, was in enumerate(asked, 1) if was] == [CONFIRM_EVERY, CONFIRM_EVERY * 2]
    for _ in range(CONFIRM_EVERY - 1):
        management.sent("x")
    management.ask("q")
    assert management.sent("x") == ""


def test_nothing_is_counted_where_the_server_does_not_count() -> None:
    figures = plugin(enabled=False)
    management = Management(figures)
    assert management.sent("a") == ""
    management.received()
    assert (management.unconfirmed, management.active, figures.handled) == (0, False, 0)


def test_a_new_connection_has_no_question_open() -> None:
    management = Management(plugin())
    management.sent("a")
    management.ask("q")
    management.start()
    assert management.confirm(confirms(1)) == ""


def test_a_session_that_is_forgotten_is_not_resumed() -> None:
    management = Management(plugin())
    management.sent("a")
    assert management.resumable
    management.forget()
    assert (management.resumable, management.unconfirmed) == (False, 0)
