"""The configured SIP world, indexed for the questions a request asks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from switchroom.core.configuration import patch, separate
from switchroom.model.change import SipChange
from switchroom.model.settings import (
    AccessRule,
    AorSettings,
    AuthSettings,
    IdentifySettings,
    SipEndpointSettings,
    SipSettings,
)
from switchroom.wire.sip.digest import hash_ha1
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.uri import Uri, parse_uri


class Credential:
    """An ``auth`` section ready to verify with: HA1 by algorithm, made before anybody asks, so that the first
    guess at a name takes as long as the next.
    """

    __slots__ = ("_ha1", "algorithms", "nonce_lifetime", "realm", "settings", "username")

    def __init__(self, settings: AuthSettings, realm: str, algorithms: tuple[str, ...]) -> None:
        self.settings = settings
        self.username = settings.username
        self.realm = realm
        self.algorithms = algorithms
        self.nonce_lifetime = settings.nonce_lifetime
        self._ha1: dict[str, str] = {}
        for algorithm in algorithms:
            self.ha1(algorithm)

    def ha1(self, algorithm: str) -> str | None:
        """HA1 in hex, None when the section has neither a password nor a digest of this kind."""
        known = self._ha1.get(algorithm)
        if known is None:
            settings = self.settings
            known = settings.digests.get(algorithm)
            if known is None and settings.password:
                known = hash_ha1(algorithm, settings.username, self.realm, settings.password)
            if known is None:
                return None
            self._ha1[algorithm] = known
        return known


class Directory:
    """Look-ups over one ``SipSettings``, and the changes made to it since."""

    def __init__(self, settings: SipSettings) -> None:
        self.settings = settings = separate(settings)
        self.general = settings.general
        self.endpoints = settings.endpoints
        self.aors = settings.aors
        #: Counts changes, for those who keep what follows from the settings.
        self.revision = 0
        self._credentials: dict[str, tuple[Credential, ...]] = {}
        self._users: dict[str, list[str]] = {}
        self._proven_by: dict[str, list[str]] = {}
        self._hosts: dict[tuple[str, int], str] = {}
        self._networks: list[tuple[IPv4Network | IPv6Network, int, str]] = []
        self._resolved: dict[str, list[tuple[IPv4Network | IPv6Network, int]]] = {}
        self.by_header: list[tuple[str, str, str]] = []
        self.by_request_uri: list[tuple[str, str]] = []
        #: The parameter ``line`` of Contacts that we register elsewhere, to the endpoint that requests to it are from.
        self.lines: dict[str, str] = {}
        #: Names in ``identify.match`` that nobody has looked up yet.
        self.unresolved: list[tuple[str, IdentifySettings]] = []
        self.transport_domains = tuple(t.domain for t in settings.transports.values() if t.domain)
        self._domains_in_names = self._anonymous = self._by_auth_username = False
        for endpoint in settings.endpoints.values():
            self._learn(endpoint)
        for identify in settings.identifies.values():
            self._index(identify)
            self.unresolved += [(host, identify) for host in identify.match_hosts]
        self._conclude()

    def _learn(self, endpoint: SipEndpointSettings) -> None:
        for aor in endpoint.aors:
            self._users.setdefault(aor, []).append(endpoint.name)
        for auth in endpoint.auth:
            self._proven_by.setdefault(auth, []).append(endpoint.name)
        # What is useful for one endpoint is never taken back: looking in vain is only slower.
        self._domains_in_names |= "@" in endpoint.name
        self._anonymous |= endpoint.name.partition("@")[0] == "anonymous"
        self._by_auth_username |= "auth_username" in endpoint.identify_by

    def _unlearn(self, endpoint: SipEndpointSettings) -> None:
        for index, names in ((self._users, endpoint.aors), (self._proven_by, endpoint.auth)):
            for name in names:
                index[name].remove(endpoint.name)
                if not index[name]:
                    del index[name]

    def _index(self, identify: IdentifySettings) -> None:
        for network, port in (*identify.match, *self._resolved.get(identify.name, ())):
            self._match_network(network, port, identify.endpoint)
        if identify.match_header:
            name, pattern = identify.match_header
            self.by_header.append((name.lower(), pattern, identify.endpoint))
        if identify.match_request_uri:
            self.by_request_uri.append((identify.match_request_uri, identify.endpoint))

    def _index_again(self, changed: Iterable[str]) -> None:
        """What identifies no longer say can not be told from what others say too: all are indexed anew."""
        for name in changed:
            self._resolved.pop(name, None)
        self._hosts.clear()
        self._networks.clear()
        self.by_header.clear()
        self.by_request_uri.clear()
        for identify in self.settings.identifies.values():
            self._index(identify)

    def _conclude(self) -> None:
        acls = self.settings.acls.values()
        self.source_rules: tuple[AccessRule, ...] = tuple(rule for acl in acls for rule in acl.rules)
        self.contact_rules: tuple[AccessRule, ...] = tuple(rule for acl in acls for rule in acl.contact_rules)
        self._multi_domain = not self.general.disable_multi_domain and self._domains_in_names
        self.identifiers = tuple(self._identifiers())

    def _identifiers(self) -> list[str]:
        """The ways to identify that can find anybody, in order; those not listed go last (as Asterisk does)."""
        listed = self.general.endpoint_identifier_order
        useful = {
            "username": True,
            "anonymous": self._anonymous,
            "ip": bool(self._hosts or self._networks or self.unresolved),
            "header": bool(self.by_header),
            "request_uri": bool(self.by_request_uri),
            "auth_username": self._by_auth_username,
        }
        order = dict.fromkeys((*listed, "header", "request_uri", "auth_username"))
        return [method for method in order if useful.get(method)]

    def apply(self, change: SipChange) -> None:
        """Answers by the changed settings from now on; new names in ``identify.match`` are in ``unresolved``."""
        self.revision += 1
        before = self.endpoints
        for name, endpoint in change.endpoints.items():
            if name in before:
                self._unlearn(before[name])
            if endpoint is not None:
                self._learn(endpoint)
        again = any(name in self.settings.identifies for name in change.identifies)
        patch(self.settings, change)
        self._renew_credentials(change)
        if again:
            self._index_again(change.identifies)
        self.unresolved = []
        for identify in change.identifies.values():
            if identify is not None:
                if not again:
                    self._index(identify)
                self.unresolved += [(host, identify) for host in identify.match_hosts]
        self._conclude()

    def _match_network(self, network: IPv4Network | IPv6Network, port: int, endpoint: str) -> None:
        """Requests from this network (and port, unless 0) are this endpoint's."""
        if network.num_addresses == 1:
            self._hosts[(str(network.network_address), port)] = endpoint
        else:
            self._networks.append((network, port, endpoint))

    def _renew_credentials(self, change: SipChange) -> None:
        """At once, so that the next guess at a name takes as long as at others."""
        stale = set(change.endpoints)
        if change.general is not None:
            self.general = change.general
            stale.update(self._credentials)
        for auth in change.auths:
            stale.update(self._proven_by.get(auth, ()))
        for name in stale:
            self._credentials.pop(name, None)
            endpoint = self.endpoints.get(name)
            if endpoint is not None:
                self.credentials(endpoint)

    def match_address(self, host: str, port: int, identify: IdentifySettings) -> None:
        """An address that a name in ``match`` stands for; nothing happens when the section has changed since."""
        if self.settings.identifies.get(identify.name) is identify:
            self._resolved.setdefault(identify.name, []).append((ip_network(host), port))
            self._match_network(ip_network(host), port, identify.endpoint)
            self.identifiers = tuple(self._identifiers())

    def by_line(self, uri: Uri) -> SipEndpointSettings | None:
        """The endpoint whose server sends to a Contact that we registered there."""
        line = uri.param("line")
        return self.endpoints.get(self.lines.get(line, "")) if line else None

    def by_source(self, host: str, port: int) -> str | None:
        """The endpoint that ``identify`` gives to a source address."""
        if self._hosts:
            found = self._hosts.get((host, port)) or self._hosts.get((host, 0))
            if found:
                return found
        if self._networks:
            address = ip_address(host.partition("%")[0])
            for network, wanted, endpoint in self._networks:
                if wanted in (0, port) and address.version == network.version and address in network:
                    return endpoint
        return None

    def by_name(self, user: str, domain: str) -> SipEndpointSettings | None:
        """The endpoint ``user@domain``, ``user@alias-target`` or ``user`` (as Asterisk does)."""
        endpoints = self.endpoints
        if self._multi_domain:
            found = endpoints.get(f"{user}@{domain}")
            if found is None and domain in self.settings.domain_aliases:
                found = endpoints.get(f"{user}@{self.settings.domain_aliases[domain]}")
            if found is None:
                for suffix in self.transport_domains:
                    found = endpoints.get(f"{user}@{suffix}")
                    if found is not None:
                        break
            if found is not None:
                return found
        return endpoints.get(user)

    def users(self, aor: str) -> list[str]:
        """Names of the endpoints with this address of record, in the order they came."""
        return self._users.get(aor, [])

    def credentials(self, endpoint: SipEndpointSettings) -> tuple[Credential, ...]:
        """What may authenticate as this endpoint; empty when it has no ``auth`` that exists."""
        found = self._credentials.get(endpoint.name)
        if found is None:
            general = self.general
            found = self._credentials[endpoint.name] = tuple(
                Credential(
                    auth,
                    auth.realm or general.default_realm,
                    auth.algorithms_uas or general.default_auth_algorithms_uas,
                )
                for name in endpoint.auth
                if (auth := self.settings.auths.get(name)) is not None
            )
        return found

    def outbound_auths(self, endpoint: SipEndpointSettings) -> list[AuthSettings]:
        """What this endpoint's challenges are answered with."""
        auths = self.settings.auths
        return [auths[name] for name in endpoint.outbound_auth if name in auths]

    def leads_to(self, endpoint: SipEndpointSettings, host: str) -> bool:
        """Whether the endpoint's settings name this host: in a permanent contact, or as the realm of its auth."""
        for name in endpoint.aors:
            aor = self.aors.get(name)
            for uri in aor.contact if aor is not None else ():
                with suppress(SipError):
                    if parse_uri(uri).host.strip("[]") == host:
                        return True
        realms = {auth.realm.lower() for auth in self.outbound_auths(endpoint)}
        return any(realm and (host == realm or host.endswith(f".{realm}")) for realm in realms)

    def aor_for(self, endpoint: SipEndpointSettings, user: str, domain: str) -> AorSettings | None:
        """The endpoint's own address of record that a To header means (as Asterisk)."""
        for name in (f"{user}@{domain}", f"{user}@{self.settings.domain_aliases.get(domain, '')}", user):
            if name in endpoint.aors:
                return self.aors.get(name)
        return None
