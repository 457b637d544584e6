"""``register`` lines: where we register ourselves, so that others can call us (RFC 5456 6.1)."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from switchroom.core.ports import Clock, Resolver
from switchroom.core.schedule import Schedule
from switchroom.model.iax2_settings import IaxRegistration
from switchroom.tech.iax2.limits import REGISTER_RETRY, REGISTER_SECONDS
from switchroom.wire.iax2.address import Address
from switchroom.wire.iax2.authentication import Credentials
from switchroom.wire.iax2.events import Registered, RegistrationFailed
from switchroom.wire.iax2.numbers import MD5
from switchroom.wire.iax2.stack import Stack

log = structlog.get_logger(__name__)


class _Account:
    """One line, and where it leads."""

    __slots__ = ("address", "settings")

    def __init__(self, settings: IaxRegistration, address: Address) -> None:
        self.settings = settings
        self.address = address


class Outbound:
    """All registrations of ours, kept alive."""

    def __init__(
        self, stack: Stack, resolver: Resolver, clock: Clock, schedule: Schedule, flush: Callable[[], None]
    ) -> None:
        self._stack = stack
        self._resolver = resolver
        self._clock = clock
        self._schedule = schedule
        self._flush = flush

    async def start(self, settings: IaxRegistration, local: Callable[[str], str | None]) -> None:
        """Registers from now on; ``local`` names the socket that reaches a host."""
        try:
            host, port = (await self._resolver.resolve(settings.host, settings.port, "udp"))[0]
        except OSError as error:
            log.warning("a host to register at has no address", host=settings.host, error=str(error))
            return
        socket = local(host)
        if socket is None:
            log.warning("a host to register at can not be reached from where iax.conf binds", host=settings.host)
            return
        self._register(_Account(settings, Address(host, port, socket)))

    def _register(self, account: _Account) -> None:
        settings = account.settings
        credentials = Credentials(settings.username, settings.secret, MD5)
        now = self._clock.monotonic()
        if not self._stack.register(account.address, credentials, REGISTER_SECONDS, account, now):
            self._again(account, REGISTER_RETRY)
        self._flush()

    def _again(self, account: _Account, delay: float) -> None:
        self._schedule.at(self._clock.monotonic() + delay, lambda now: self._register(account))

    def registered(self, event: Registered) -> None:
        account = event.context
        assert isinstance(account, _Account)
        log.debug("registered", host=account.settings.host, username=account.settings.username)
        # As Asterisk: soon enough that one that is lost can be repeated.
        self._again(account, max(event.refresh, 6) * 5 / 6)

    def failed(self, event: RegistrationFailed) -> None:
        account = event.context
        assert isinstance(account, _Account)
        settings = account.settings
        log.warning("we are not registered", host=settings.host, username=settings.username, reason=event.reason)
        self._again(account, REGISTER_RETRY)
