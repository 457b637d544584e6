"""sip.conf, and the sections of users.conf that mean SIP: to settings of the same kernel and steps as pjsip.conf.

Each section becomes an endpoint; one that is reached has an address of record of its name, one with a secret an
auth of its name, one with an address is identified by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from msgspec.structs import replace

from switchroom.conf.acl import AccessLists, both
from switchroom.conf.certificates import expect_readable
from switchroom.conf.chan_sip_options import GENERAL, PEER, Register
from switchroom.conf.listed import SIP, flagged
from switchroom.conf.options import TableReader
from switchroom.conf.problems import Problems
from switchroom.conf.sections import Option, Section
from switchroom.model.settings import (
    AorSettings,
    AuthSettings,
    ChanSipGeneral,
    ChanSipSettings,
    IdentifySettings,
    PeerSettings,
    RegistrationSettings,
    SipEndpointSettings,
    SipGlobalSettings,
    SipSettings,
    Source,
    TransportSettings,
)

#: Seconds to the next OPTIONS after a late or missing answer.
_QUALIFY_RETRY = 10

#: Peers that are asked for the first time within a second.
_FIRST_QUALIFIES = 10

#: Seconds until the next attempt to register, and how many follow the first: Asterisk's defaults.
_REGISTER_TIMEOUT = 20
_FOR_EVER = 2**31 - 1

_DEFAULT_PORT = 5060
_DEFAULT_TLS_PORT = 5061


def read_chan_sip(
    sections: Sequence[Section],
    users: Iterable[Section],
    access: AccessLists,
    problems: Problems,
    taken: Iterable[TransportSettings] = (),
) -> ChanSipSettings:
    """The settings of sip.conf. ``taken`` are the transports of pjsip.conf: an address they listen at is theirs."""
    reader = _Reader(access, problems)
    values: dict[str, Any] = {}
    source = Source(SIP.file, 0)
    for section in sections:
        if section.name.lower() == "general" and not section.template:
            source = section.source
            values.update(reader.general(section))
            reader.check_certificate(section, values)
    own = {name: values.pop(name) for name in list(values) if name.startswith("_")}
    general = _expiry_in_order(ChanSipGeneral(**values), source, problems)
    peers = reader.peers(sections, users)
    transports = {t.name: t for t in _transports(own, source) if _is_free(t, taken, problems)}
    sip = _sip(general, own, peers, transports)
    sip.registrations.update(_registrations(own, general, sip, peers, source))
    return ChanSipSettings(general=general, peers=peers, sip=sip)


class _Reader:
    """Sections to values, those of one name to one."""

    def __init__(self, access: AccessLists, problems: Problems) -> None:
        self._access = access
        self._problems = problems
        self._general = TableReader(GENERAL, problems)
        self._peer = TableReader(PEER, problems)

    def general(self, section: Section) -> dict[str, Any]:
        values = self._general.read(section)
        self._access.resolve(values, "contact_acl", section, "contact_")
        return values

    def check_certificate(self, section: Section, values: dict[str, Any]) -> None:
        if not values.get("_tlsenable"):
            return
        if not values.get("_tlscertfile"):
            self._problems.error(
                section.where("tlsenable"), "tlsenable needs a certificate", "Add tlscertfile, the path of a PEM file"
            )
        options = ("tlscertfile", "tlsprivatekey", "tlscafile")
        expect_readable(section, {option: values.get(f"_{option}", "") for option in options}, self._problems)

    def peers(self, sections: Iterable[Section], users: Iterable[Section]) -> dict[str, PeerSettings]:
        found: dict[str, dict[str, Any]] = {}
        for section in sections:
            if section.template or section.name.lower() in SIP.reserved:
                continue
            kinds = [text.lower() for name, text, _, _ in section.options() if name.lower() == "type"]
            # The first type decides whether there is a peer, all of them what it is.
            if not kinds or kinds[0] not in SIP.listed:
                self._no_peer(section)
                continue
            values = self._peer.read(section)
            values["user"] = bool({"user", "friend"} & set(kinds))
            values["peer"] = bool({"peer", "friend"} & set(kinds))
            self._add(found, section, values)
        for section in flagged(users, SIP.users_flag):
            # The other options of a user are not about SIP.
            values = self._peer.take(_known(section), {}) | {"user": True, "peer": True}
            self._add(found, section, values)
        peers = {name: PeerSettings(name=name, **values) for name, values in found.items()}
        for peer in peers.values():
            self._check(peer)
        return peers

    def _add(self, found: dict[str, dict[str, Any]], section: Section, values: dict[str, Any]) -> None:
        self._access.resolve(values, "acl", section)
        self._access.resolve(values, "contact_acl", section, "contact_")
        known = found.setdefault(section.name, {"source": section.source, "user": False, "peer": False})
        values["user"] |= known["user"]
        values["peer"] |= known["peer"]
        known.update(values)

    def _no_peer(self, section: Section) -> None:
        self._problems.warning(
            section.source,
            f'the section "{section.name}" of {SIP.file} has no type of a peer, so there is none',
            "Add a line type=friend, type=peer or type=user, or (!) after the name of a template",
        )

    def _check(self, peer: PeerSettings) -> None:
        if (peer.user or peer.dynamic) and not (peer.secret or peer.md5secret or peer.acl):
            self._problems.warning(
                peer.source,
                f'the peer "{peer.name}" has no secret, so anybody who writes its name in From is let in',
                "Add secret=, or permit= and deny=",
            )


def _known(section: Section) -> Iterator[Option]:
    return (option for option in section.options() if option[0].lower() in PEER.honoured)


def _expiry_in_order(general: ChanSipGeneral, source: Source, problems: Problems) -> ChanSipGeneral:
    if general.minexpiry <= general.maxexpiry:
        return general
    problems.error(source, "minexpiry is greater than maxexpiry", f"Swap them; until then both are {general.maxexpiry}")
    return replace(general, minexpiry=general.maxexpiry)


# ---- where it listens


def _transports(own: dict[str, Any], source: Source) -> Iterator[TransportSettings]:
    host, port = own.get("_bind", ("0.0.0.0", None))  # noqa: S104 - what chan_sip binds to
    port = port or own.get("_bindport", _DEFAULT_PORT)
    shared = {
        "source": source,
        "external_signaling_address": own.get("_externaddr", ""),
        "local_net": own.get("_localnet", ()),
    }
    yield TransportSettings(name="sip-udp", protocol="udp", bind_host=host, bind_port=port, **shared)
    if own.get("_tcpenable"):
        tcp_host, tcp_port = own.get("_tcpbind", (host, port))
        yield TransportSettings(
            name="sip-tcp", protocol="tcp", bind_host=tcp_host, bind_port=tcp_port or _DEFAULT_PORT, **shared
        )
    if own.get("_tlsenable"):
        tls_host, tls_port = own.get("_tlsbind", (host, None))
        yield TransportSettings(
            name="sip-tls",
            protocol="tls",
            bind_host=tls_host,
            bind_port=tls_port or _DEFAULT_TLS_PORT,
            cert_file=own.get("_tlscertfile", ""),
            priv_key_file=own.get("_tlsprivatekey", ""),
            ca_list_file=own.get("_tlscafile", ""),
            **shared,
        )


def _is_free(transport: TransportSettings, taken: Iterable[TransportSettings], problems: Problems) -> bool:
    """Whether pjsip.conf leaves the address to sip.conf; in Asterisk the two drivers fight for it."""
    for other in taken:
        if other.protocol != transport.protocol or other.bind_port != transport.bind_port:
            continue
        hosts = {ip_address(other.bind_host), ip_address(transport.bind_host)}
        if len(hosts) == 1 or (len({h.version for h in hosts}) == 1 and any(h.is_unspecified for h in hosts)):
            problems.error(
                transport.source,
                f"{transport.protocol} port {other.bind_port} is taken by the transport {other.name} of pjsip.conf",
                "Write another bindport; until then sip.conf does not listen there",
            )
            return False
    return True


# ---- what the kernel and the steps are told


def _sip(
    general: ChanSipGeneral,
    own: dict[str, Any],
    peers: dict[str, PeerSettings],
    transports: dict[str, TransportSettings],
) -> SipSettings:
    endpoints, aors, auths, identifies = {}, {}, {}, {}
    for peer in peers.values():
        outbound = {f"[{peer.name}] {n}": auth for n, auth in enumerate(_outbound_auths(peer))}
        auths.update(outbound)
        if peer.secret or peer.md5secret:
            auths[peer.name] = _auth(peer)
        endpoints[peer.name] = _endpoint(peer, general, tuple(outbound), own.get("_outboundproxy", ""))
        if peer.peer:
            aors[peer.name] = _aor(peer, general)
            if peer.host and not peer.dynamic:
                identifies[peer.name] = _identify(peer)
    t1 = own.get("_timert1", SipGlobalSettings().timer_t1)
    qualified = sum(aor.qualify_frequency > 0 for aor in aors.values())
    settings = SipGlobalSettings(
        max_initial_qualify_time=max(1, ceil(qualified / _FIRST_QUALIFIES)),
        timer_t1=t1,
        timer_b=64 * t1,
        # Without peers' leave nothing goes through one of them.
        default_outbound_endpoint="",
    )
    for option, field in (("_realm", "default_realm"), ("_useragent", "user_agent"), ("_maxforwards", "max_forwards")):
        if option in own:
            settings = replace(settings, **{field: own[option]})
    return SipSettings(
        endpoints=endpoints,
        aors=aors,
        auths=auths,
        identifies=identifies,
        transports=transports,
        registrations={},
        general=settings,
    )


def _endpoint(
    peer: PeerSettings, general: ChanSipGeneral, outbound: tuple[str, ...], proxy: str
) -> SipEndpointSettings:
    nat = general.nat if peer.nat is None else peer.nat
    return SipEndpointSettings(
        name=peer.name,
        source=peer.source,
        aors=(peer.name,) if peer.peer else (),
        auth=(peer.name,) if peer.secret or peer.md5secret else (),
        outbound_auth=outbound,
        outbound_proxy=peer.outboundproxy or proxy,
        from_user=peer.fromuser,
        from_domain=peer.fromdomain,
        context=peer.context or general.context,
        message_context=peer.outofcall_message_context or general.outofcall_message_context,
        rewrite_contact=bool({"force_rport", "comedia"} & set(nat)),
        rewrite_behind_nat=bool({"auto_force_rport", "auto_comedia"} & set(nat)),
        user_eq_phone=peer.usereqphone,
        acl=peer.acl,
        contact_acl=both(general.contact_acl, peer.contact_acl),
    )


def _auth(peer: PeerSettings) -> AuthSettings:
    if peer.md5secret:
        return AuthSettings(name=peer.name, source=peer.source, username=peer.name, digests={"MD5": peer.md5secret})
    return AuthSettings(name=peer.name, source=peer.source, username=peer.name, password=peer.secret)


def _outbound_auths(peer: PeerSettings) -> Iterator[AuthSettings]:
    """``auth=`` for its realm alone, then the secret for any."""
    for realm, user, secret in peer.auth:
        yield AuthSettings(name=peer.name, source=peer.source, username=user, password=secret, realm=realm)
    username = peer.defaultuser or peer.name
    if peer.remotesecret or (peer.secret and not peer.md5secret):
        secret = peer.remotesecret or peer.secret
        yield AuthSettings(name=peer.name, source=peer.source, username=username, password=secret)
    elif peer.md5secret:
        yield AuthSettings(name=peer.name, source=peer.source, username=username, digests={"MD5": peer.md5secret})


def _aor(peer: PeerSettings, general: ChanSipGeneral) -> AorSettings:
    """One contact at a time: the phone that registers last."""
    limit = general.qualify if peer.qualify is None else peer.qualify
    frequency = general.qualifyfreq if peer.qualifyfreq is None else peer.qualifyfreq
    return AorSettings(
        name=peer.name,
        source=peer.source,
        contact=(_uri(peer, general),) if peer.host and not peer.dynamic else (),
        max_contacts=1 if peer.dynamic else 0,
        remove_existing=True,
        minimum_expiration=general.minexpiry,
        default_expiration=general.defaultexpiry,
        maximum_expiration=general.maxexpiry,
        qualify_frequency=frequency if limit else 0,
        qualify_timeout=2 * limit,
        qualify_limit=limit,
        qualify_retry=_QUALIFY_RETRY if limit else 0,
    )


def _uri(peer: PeerSettings, general: ChanSipGeneral) -> str:
    """Where a peer with an address is; a port only when one is written."""
    user = f"{peer.defaultuser}@" if peer.defaultuser else ""
    port = f":{peer.port}" if peer.port else ""
    protocol = (peer.transport or general.transport or ("udp",))[0]
    transport = "" if protocol == "udp" else f";transport={protocol}"
    return f"sip:{user}{_bracketed(peer.host)}{port}{transport}"


def _identify(peer: PeerSettings) -> IdentifySettings:
    port = 0 if "port" in peer.insecure else peer.port or _DEFAULT_PORT
    try:
        network = ip_network(peer.host)
    except ValueError:
        named = f"{peer.host}:{port}" if port else peer.host
        return IdentifySettings(name=peer.name, source=peer.source, endpoint=peer.name, match_hosts=(named,))
    return IdentifySettings(name=peer.name, source=peer.source, endpoint=peer.name, match=((network, port),))


# ---- where we register


def _registrations(
    own: dict[str, Any], general: ChanSipGeneral, sip: SipSettings, peers: dict[str, PeerSettings], source: Source
) -> Iterator[tuple[str, RegistrationSettings]]:
    """Of ``register`` lines and of peers with ``callbackextension``; their secrets become auths of the same name."""
    written = [(line, source) for line in own.get("_register", ())]
    written += [
        (_callback(peer, general), peer.source)
        for peer in peers.values()
        if peer.callbackextension and peer.host and not peer.dynamic
    ]
    timeout = own.get("_registertimeout", _REGISTER_TIMEOUT)
    for number, (line, at) in enumerate(written):
        name = f"[register] {number} {line.user}@{line.host}"
        auths = sip.endpoints[line.peer].outbound_auth if line.peer in peers else ()
        if line.secret:
            auths = (name,)
            sip.auths[name] = AuthSettings(
                name=name, source=at, username=line.account or line.user, password=line.secret
            )
        host, port = _bracketed(line.host), f":{line.port}" if line.port else ""
        transport = "" if line.transport in ("", "udp") else f";transport={line.transport}"
        registration = RegistrationSettings(
            name=name,
            source=at,
            server_uri=f"sip:{host}{port}{transport}",
            client_uri=f"sip:{line.user}@{line.domain or host}",
            contact_user=line.extension or "s",
            expiration=line.expiry or general.defaultexpiry,
            outbound_auth=auths,
            outbound_proxy=own.get("_outboundproxy", ""),
            retry_interval=timeout,
            forbidden_retry_interval=timeout if own.get("_register_retry_403") else 0,
            max_retries=own.get("_registerattempts", 0) or _FOR_EVER,
            max_random_initial_delay=0,
            line=line.peer in peers,
            endpoint=line.peer if line.peer in peers else "",
        )
        yield name, registration


def _callback(peer: PeerSettings, general: ChanSipGeneral) -> Register:
    """The line that a peer's ``callbackextension`` stands for (as Asterisk)."""
    user = peer.fromuser or peer.defaultuser or peer.name
    transport = (peer.transport or general.transport or ("udp",))[0]
    secret = peer.remotesecret or peer.secret
    return Register(
        peer=peer.name,
        transport=transport,
        user=user,
        domain=peer.fromdomain,
        secret=secret,
        account=peer.defaultuser,
        host=peer.host,
        port=peer.port,
        extension=peer.callbackextension,
        expiry=0,
    )


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host
