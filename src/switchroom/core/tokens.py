"""Text nobody can guess, and ids: for tags, branches, Call-IDs, messages and referrals."""

from __future__ import annotations

import os

from switchroom.core.limits import TOKEN_PAGE
from switchroom.core.ports import Clock


class Tokens:
    """16 hex digits a call, from the operating system's randomness.

    It is asked for a page at a time: a text takes four tokens, and a system call for each was a tenth of its
    cost.
    """

    def __init__(self) -> None:
        self._page = ""
        self._at = 0

    def __call__(self) -> str:
        at = self._at
        if at >= len(self._page):
            self._page, at = os.urandom(TOKEN_PAGE).hex(), 0
        self._at = at + 16
        return self._page[at : at + 16]


class Ids:
    """Ids that begin with the time, so that a database adds them at the end of its index; 21 hex digits."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def __call__(self) -> str:
        return f"{int(self._clock.wall() * 1000):011x}{self._tokens()[:10]}"
