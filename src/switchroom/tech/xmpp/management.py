"""What stream management counts (XEP-0198): stanzas that the server has, and stanzas that we have.

slixmpp's plugin makes a session and resumes it, and holds the figures meanwhile; the counting in between is ours,
because its own goes through objects, filters and a queue for each stanza.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from switchroom.tech.xmpp.limits import CONFIRM_EVERY

SM = "urn:xmpp:sm:3"
REQUEST_TAG = f"{{{SM}}}r"
ACKNOWLEDGEMENT_TAG = f"{{{SM}}}a"

_REQUEST = f'<r xmlns="{SM}"/>'
#: Counts are modulo this (XEP-0198 section 4).
_MODULUS = 2**32


class Management:
    """The counts of one stream, as far as the server takes part."""

    def __init__(self, plugin: Any) -> None:
        """``plugin`` is slixmpp's ``xep_0198``."""
        self._plugin = plugin
        #: What the server was asked last, and how many stanzas it must confirm before that is an answer.
        self._question = ""
        self._before = 0
        self._unasked = 0

    @property
    def active(self) -> bool:
        """Whether the server counts too."""
        return bool(self._plugin.enabled_in)

    @property
    def resumable(self) -> bool:
        return bool(self._plugin.sm_id)

    @property
    def unconfirmed(self) -> int:
        return len(self._plugin.unacked_queue)

    def start(self) -> None:
        """A connection begins; what was asked on the one before is not answered any more."""
        self._question = ""
        self._unasked = 0

    def forget(self) -> None:
        """The session is not resumed."""
        self._plugin.sm_id = None
        self._plugin.unacked_queue.clear()

    # ---- what we send

    def sent(self, stanza: str) -> str:
        """Counts a stanza that is about to be written; what is to be written after it."""
        if not self._plugin.enabled_out:
            return ""
        self._plugin.unacked_queue.append((0, stanza))
        self._unasked += 1
        if self._unasked < CONFIRM_EVERY or not self.active:
            return ""
        self._unasked = 0
        return _REQUEST

    def ask(self, question: str) -> str:
        """What to write so that ``confirm`` returns the question once the server has all that was sent before."""
        self._question = question
        self._before = self.unconfirmed
        self._unasked = 0
        return _REQUEST

    def confirm(self, element: Element) -> str:
        """The server says how much it has; the question that is answered by that, or nothing.

        Raises:
            ValueError: it says what can not be.
        """
        plugin = self._plugin
        handled = int(element.get("h", ""))
        count = (handled - plugin.last_ack) % _MODULUS
        if count > self.unconfirmed:
            raise ValueError(f"{handled} is more than was sent")
        plugin.last_ack = handled % _MODULUS
        for _ in range(count):
            plugin.unacked_queue.popleft()
        self._before -= count
        if self._before > 0 or not self._question:
            return ""
        question, self._question = self._question, ""
        return question

    # ---- what comes

    def received(self) -> None:
        """Counts a stanza that came."""
        if self._plugin.enabled_in:
            self._plugin.handled = (self._plugin.handled + 1) % _MODULUS

    def acknowledgement(self) -> str:
        """Says how much we have."""
        return f'<a xmlns="{SM}" h="{self._plugin.handled}"/>'
