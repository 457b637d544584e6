"""How people of one technology are called in another, so that an answer finds its way back.

Each technology writes an alias in its own way (a SIP user part, the node of a JID) and gives back the same text when
somebody answers to it; only here is known what it means::

    alice                        an endpoint
    romeo@example.org            somebody beyond the endpoint that carries such addresses
    gateway/romeo@example.org    somebody beyond the endpoint gateway
    PJSIP/alice                  an endpoint whose name alone would mean another one
    XMPP/gateway/romeo@example.org

An alias is the shortest of these that is read back as the same address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from switchroom.core.registry import Registry
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import EndpointNotFound


class Address(NamedTuple):
    """Somebody who sends or gets texts: an endpoint, or somebody beyond it (a user of an account's network)."""

    endpoint: EndpointId
    #: In the words of the endpoint's technology; empty: the endpoint itself.
    beyond: str = ""


class Dialect(Protocol):
    """How one technology speaks of people of others; what a technology adds to ``core.ports.Technology`` for it."""

    def sender(self, alias: str, through: str) -> str:
        """The ``from`` of ``plan`` by which a text is sent for the alias; ``through`` is the resource of the endpoint
        it goes through, empty when that is not known.

        Raises:
            InvalidParameter: nobody of another technology can send here.
        """
        ...

    def carrier(self, beyond: str) -> str | None:
        """The resource of the endpoint that carries texts to an address that is no endpoint's; None when none does."""
        ...


class Addresses:
    """Aliases written and read, for all technologies that take part."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._dialects: dict[str, Dialect] = {}

    def add(self, technology: str, dialect: Dialect) -> None:
        self._dialects[technology] = dialect

    def sender(self, address: Address, technology: str, through: str = "") -> str:
        """What a text from ``address`` has as its ``from`` in another technology.

        Raises:
            EndpointNotFound: the technology takes no part.
            InvalidParameter: as ``Dialect.sender``.
        """
        dialect = self._dialects.get(technology)
        if dialect is None:
            raise EndpointNotFound
        return dialect.sender(self.alias(address, technology), through)

    def named(self, sender: str, technology: str) -> str:
        """A ``from`` of a caller: an endpoint of another technology (``pjsip:alice``) as ``technology`` calls it,
        anything else as it is (docs/rulings.md 5).
        """
        prefix, colon, resource = sender.partition(":")
        own = self._registry.technology(prefix) if colon else None
        if own is None or own == technology or technology not in self._dialects:
            return sender
        if self._registry.get(own, resource) is None:
            return sender
        return self.sender(Address(EndpointId(own, resource)), technology)

    def alias(self, address: Address, technology: str) -> str:
        """What ``technology`` calls an address of another one."""
        (own, name), beyond = address
        candidates = (beyond, f"{name}/{beyond}") if beyond else (name,)
        for candidate in candidates:
            if self.find(candidate, technology) == address:
                return candidate
        return f"{own}/{candidates[-1]}"

    def find(self, alias: str, technology: str) -> Address | None:
        """Whom ``technology`` means by an alias: its own endpoint of that name before all others. None: nobody."""
        if not alias:
            return None
        return next(self._readings(alias, technology), None)

    def _readings(self, alias: str, technology: str) -> Iterator[Address]:
        names = [technology, *(name for name in self._dialects if name != technology)]
        for name in names:
            if self._registry.get(name, alias) is not None:
                yield Address(EndpointId(name, alias))
        head, slash, rest = alias.partition("/")
        own = self._registry.technology(head) if slash else None
        if own is not None:
            names, alias = [own] if own in self._dialects else [], rest
            if names and self._registry.get(own, rest) is not None:
                yield Address(EndpointId(own, rest))
            head, slash, rest = rest.partition("/")
        for name in names:
            if name == technology:
                continue  # who is beyond an endpoint of its own is for a technology to say
            dialect = self._dialects[name]
            if slash and self._registry.get(name, head) is not None and dialect.carrier(rest) is not None:
                yield Address(EndpointId(name, head), rest)
            # Before a slash stands an endpoint, or an address of its own kind.
            carrier = dialect.carrier(alias) if not slash or "@" in head else None
            if carrier is not None:
                yield Address(EndpointId(name, carrier), alias)
