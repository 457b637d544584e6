"""REGREQ and REGREL of peers (RFC 5456 6.1): who registers, where from, and for how long."""

from __future__ import annotations

import time

from switchroom.core.ports import Clock
from switchroom.model.iax2_settings import IaxSettings
from switchroom.tech.iax2.authentication import Authenticator
from switchroom.tech.iax2.peers import Peer, Peers
from switchroom.tech.iax2.presence import Presence
from switchroom.wire.iax2.elements import packed_time
from switchroom.wire.iax2.registration import RegistrationRequested
from switchroom.wire.iax2.stack import Stack


class Registrar:
    """Decides on registrations, and answers them."""

    def __init__(
        self,
        settings: IaxSettings,
        peers: Peers,
        stack: Stack,
        authenticator: Authenticator,
        presence: Presence,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._peers = peers
        self._stack = stack
        self._authenticator = authenticator
        self._presence = presence
        self._clock = clock

    def requested(self, request: RegistrationRequested) -> None:
        host, now = request.address.host, request.received_at
        peer = self._peers.get(request.username)
        entitled = peer is not None and peer.settings.dynamic and peer.permits(host)
        if request.proof is None:
            if not request.proven and self._authenticator.needs_token(peer, host):
                self._authenticator.refused("registration without a call token", request.username, host, now)
                self._stack.refuse_registration(request)
            elif peer is not None and entitled and peer.open:
                self._accept(peer, request)
            else:
                if peer is not None and request.proven:
                    peer.token_from = request.address
                self._stack.challenge_registration(request, self._authenticator.methods(peer))
        elif peer is not None and self._proves(peer, request, now) and entitled:
            self._accept(peer, request)
        else:
            if peer is None:
                self._proves(None, request, now)
            self._authenticator.refused("registration", request.username, host, now)
            self._stack.refuse_registration(request)

    def _proves(self, peer: Peer | None, request: RegistrationRequested, now: float) -> bool:
        assert request.proof is not None
        host = request.address.host
        return self._authenticator.proves(peer, request.username, host, request.proof, now)

    def _accept(self, peer: Peer, request: RegistrationRequested) -> None:
        peer.token_seen |= request.proven or peer.token_from == request.address
        settings = self._settings
        refresh = min(max(request.refresh, settings.min_expire), settings.max_expire)
        local = time.localtime(self._clock.wall())
        self._stack.confirm_registration(request, refresh, packed_time(*local[:6]))
        if request.release:
            self._presence.unregister(peer)
        else:
            self._presence.register(peer, request.address, refresh)
