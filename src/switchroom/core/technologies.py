"""The technologies that run, and ids for what they are given to do."""

from __future__ import annotations

import secrets

from switchroom.core.ports import Technology
from switchroom.model.errors import EndpointNotFound


def new_id() -> str:
    """An id that is hard to guess: 16 hex digits."""
    return secrets.token_hex(8)


class Technologies:
    """The technologies that run, found by any spelling of their name (docs/rulings.md 4)."""

    def __init__(self) -> None:
        self._by_name: dict[str, Technology] = {}

    def add(self, technology: Technology) -> None:
        self._by_name[technology.name.upper()] = technology

    def find(self, name: str) -> Technology:
        """The technology; EndpointNotFound when none of this name can send."""
        technology = self._by_name.get(name.upper())
        if technology is None:
            raise EndpointNotFound
        return technology

    def split(self, destination: str) -> tuple[Technology, str]:
        """``pjsip:carol`` to the technology and ``carol``; EndpointNotFound without a known technology."""
        name, colon, rest = destination.partition(":")
        if not colon:
            raise EndpointNotFound
        return self.find(name), rest
