"""iax.conf, as settings; see ``model.settings``."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import msgspec

from switchroom.model.settings import AccessRule, Settings


class IaxPeerSettings(Settings, frozen=True, kw_only=True):
    """One peer or friend. Empty text means not set; times are seconds."""

    #: It registers; else it is at ``host``.
    dynamic: bool = False
    host: str = ""
    port: int = 4569
    #: Any of them is right, the first is shown to it; none: it need not prove who it is.
    secrets: tuple[str, ...] = ()
    #: ``md5``, ``plaintext``: how it may prove who it is, and we to it; none: it can not.
    auth: tuple[str, ...] = ("md5",)
    #: Who we are to it.
    username: str = ""
    #: It must answer within so long; 0: it is not asked.
    qualify: float = 0.0
    #: The mean of an answer and those before counts.
    qualify_smoothing: bool = False
    #: To the next question after an answer in time, and after any other outcome.
    qualify_ok: float = 60.0
    qualify_not_ok: float = 10.0
    #: ``yes``, ``no``, ``auto`` (from the first token on), or empty: unless its network is exempt.
    call_token: str = ""
    #: Its calls would have to be encrypted, so there are none.
    encrypted: bool = False
    acl: tuple[AccessRule, ...] = ()

    def __repr__(self) -> str:
        """Without the secrets: settings end up in logs."""
        return f"IaxPeerSettings(name={self.name!r}, dynamic={self.dynamic}, host={self.host!r}, secrets=***)"

    __str__ = __repr__


class IaxRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """A ``register`` line: where we register ourselves."""

    username: str
    secret: str = ""
    host: str
    port: int = 4569

    def __repr__(self) -> str:
        """Without the secret."""
        return f"IaxRegistration({self.username!r}, {self.host!r}, {self.port}, secret=***)"

    __str__ = __repr__


class IaxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All of iax.conf. Times are seconds."""

    peers: dict[str, IaxPeerSettings] = {}
    #: Where to listen: literal addresses and ports (0 only when written so: any free port).
    binds: tuple[tuple[str, int], ...] = (("0.0.0.0", 4569),)  # noqa: S104 - what Asterisk binds to
    registrations: tuple[IaxRegistration, ...] = ()
    min_expire: int = 60
    max_expire: int = 60
    call_token_expiration: int = 10
    #: Networks that need no call token.
    call_token_optional: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Calls of peers at one address.
    max_call_numbers: int = 2048
    #: Calls of peers that had no call token, in all.
    max_unproven: int = 8192
