"""Settings, frozen, as read from Asterisk's configuration files; each knows the file and line it came from.

``conf`` makes them, ``tech``, ``ari`` and ``server`` use them. Defaults are Asterisk's unless docs/rulings.md
rules otherwise. Times are seconds.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from switchroom.model.iax2_settings import IaxSettings
    from switchroom.model.xmpp_settings import XmppSettings


class Source(NamedTuple):
    """Where a setting was written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class AccessRule(msgspec.Struct, frozen=True):
    """One ``permit`` or ``deny``; in a list the last rule that matches decides, none means permit."""

    permit: bool
    network: IPv4Network | IPv6Network


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all sections: its name and source."""

    name: str
    source: Source


# ---- pjsip.conf


class SipEndpointSettings(Settings, frozen=True, kw_only=True):
    """``type=endpoint``. Empty text means not set."""

    aors: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()
    outbound_auth: tuple[str, ...] = ()
    #: Any of username, auth_username, ip, header, request_uri.
    identify_by: tuple[str, ...] = ("username", "ip")
    transport: str = ""
    #: A SIP URI, used as a Route.
    outbound_proxy: str = ""
    from_user: str = ""
    from_domain: str = ""
    contact_user: str = ""
    context: str = "default"
    message_context: str = ""
    force_rport: bool = True
    rewrite_contact: bool = False
    #: ``rewrite_contact`` for a phone whose Via names another address than its packets come from.
    rewrite_behind_nat: bool = False
    user_eq_phone: bool = False
    allow_unauthenticated_options: bool = False
    follow_redirect_methods: tuple[str, ...] = ()
    #: The name part of ``callerid``.
    callerid_name: str = ""
    device_state_busy_at: int = 0
    #: Its P-Asserted-Identity is believed; it is told who calls by one (RFC 3325).
    trust_id_inbound: bool = False
    send_pai: bool = False
    #: Against the packet's source; answered as an unknown endpoint when denied.
    acl: tuple[AccessRule, ...] = ()
    #: Against the host of a Contact that registers.
    contact_acl: tuple[AccessRule, ...] = ()


class AuthSettings(Settings, frozen=True, kw_only=True):
    """``type=auth``. ``digests`` maps an algorithm (``MD5``, ``SHA-256``, ``SHA-512-256``) to HA1 in hex."""

    username: str
    password: str = ""
    realm: str = ""
    digests: dict[str, str] = {}
    nonce_lifetime: int = 32
    #: Offered and accepted when we challenge, best first; empty: the global default.
    algorithms_uas: tuple[str, ...] = ()
    #: Answered when we are challenged.
    algorithms_uac: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the secrets: settings end up in logs."""
        return f"AuthSettings(name={self.name!r}, username={self.username!r}, password=***)"

    __str__ = __repr__


class AorSettings(Settings, frozen=True, kw_only=True):
    """``type=aor``: an address of record (RFC 3261 section 6) and how its contacts are kept."""

    #: Static contacts, SIP URIs.
    contact: tuple[str, ...] = ()
    max_contacts: int = 0
    remove_existing: bool = False
    remove_unavailable: bool = False
    minimum_expiration: int = 60
    default_expiration: int = 3600
    maximum_expiration: int = 7200
    #: Seconds between OPTIONS; 0: not qualified.
    qualify_frequency: int = 0
    qualify_timeout: float = 3.0
    qualify_2xx_only: bool = False
    authenticate_qualify: bool = False
    outbound_proxy: str = ""
    support_path: bool = False
    #: Seconds after which an answer is late (sip.conf ``qualify``); 0: none is.
    qualify_limit: float = 0.0
    #: Seconds to the next OPTIONS after a late or missing answer; 0: ``qualify_frequency``.
    qualify_retry: int = 0


class IdentifySettings(Settings, frozen=True, kw_only=True):
    """``type=identify``. ``match_hosts`` are names still to be resolved, ``host`` or ``host:port``."""

    endpoint: str
    #: Network and port (0: any).
    match: tuple[tuple[IPv4Network | IPv6Network, int], ...] = ()
    match_hosts: tuple[str, ...] = ()
    srv_lookups: bool = True
    #: ``Name: value`` split; a value written ``/regex/`` is kept with its slashes.
    match_header: tuple[str, str] | None = None
    match_request_uri: str = ""


class RegistrationSettings(Settings, frozen=True, kw_only=True):
    """``type=registration``: we register at another server, and keep that up. Times are seconds."""

    #: Where to, and as whom: the Request-URI and To, SIP URIs.
    server_uri: str
    client_uri: str
    contact_user: str = "s"
    expiration: int = 3600
    outbound_auth: tuple[str, ...] = ()
    #: A SIP URI, used as a Route.
    outbound_proxy: str = ""
    transport: str = ""
    #: Before the next attempt; after 403; after any other final refusal. 0: none follows.
    retry_interval: int = 60
    forbidden_retry_interval: int = 0
    fatal_retry_interval: int = 0
    max_retries: int = 10
    #: Whether a refusal of our credentials is final.
    auth_rejection_permanent: bool = True
    #: At most so long after a start it begins.
    max_random_initial_delay: int = 10
    #: Whether our Contact has a parameter by which requests are known to be from ``endpoint``.
    line: bool = False
    endpoint: str = ""
    support_path: bool = False
    support_outbound: bool = False


class TransportSettings(Settings, frozen=True, kw_only=True):
    """``type=transport``."""

    #: udp, tcp, tls, ws, wss or flow.
    protocol: str = "udp"
    #: Address without brackets, and port (0 only when written so: any free port).
    bind_host: str
    bind_port: int = 5060
    domain: str = ""
    external_signaling_address: str = ""
    external_signaling_port: int = 0
    local_net: tuple[IPv4Network | IPv6Network, ...] = ()
    symmetric_transport: bool = False
    cert_file: str = ""
    priv_key_file: str = ""
    ca_list_file: str = ""
    verify_server: bool = False
    verify_client: bool = False
    require_client_cert: bool = False


class SipAclSettings(Settings, frozen=True, kw_only=True):
    """``type=acl``: for every request; denied is 403."""

    rules: tuple[AccessRule, ...] = ()
    contact_rules: tuple[AccessRule, ...] = ()


class SipGlobalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``type=global`` and ``type=system``."""

    max_forwards: int = 70
    user_agent: str = "Switchroom"
    default_outbound_endpoint: str = "default_outbound_endpoint"
    default_from_user: str = "asterisk"
    default_realm: str = "asterisk"
    #: ip, username, anonymous, header, request_uri, auth_username.
    endpoint_identifier_order: tuple[str, ...] = ("ip", "username", "anonymous")
    contact_expiration_check_interval: int = 30
    max_initial_qualify_time: int = 0
    default_auth_algorithms_uas: tuple[str, ...] = ("MD5",)
    default_auth_algorithms_uac: tuple[str, ...] = ("MD5",)
    disable_multi_domain: bool = False
    send_contact_status_on_update_registration: bool = False
    timer_t1: float = 0.5
    timer_b: float = 32.0
    #: Asterisk's ``disable_tcp_switch=yes``.
    disable_tcp_switch: bool = True


class SipSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All of pjsip.conf, each kind by name, in the order of the file."""

    endpoints: dict[str, SipEndpointSettings] = {}
    auths: dict[str, AuthSettings] = {}
    aors: dict[str, AorSettings] = {}
    identifies: dict[str, IdentifySettings] = {}
    transports: dict[str, TransportSettings] = {}
    acls: dict[str, SipAclSettings] = {}
    #: Alias domain to domain.
    domain_aliases: dict[str, str] = {}
    registrations: dict[str, RegistrationSettings] = {}
    general: SipGlobalSettings = SipGlobalSettings()


# ---- sip.conf


class PeerSettings(Settings, frozen=True, kw_only=True):
    """A section of sip.conf, as it is written: a ``user`` sends, a ``peer`` is reached, a ``friend`` is both."""

    user: bool = False
    peer: bool = False
    #: ``dynamic``: it registers; else a host name or literal address; empty: it has none.
    host: str = ""
    #: 0: the default of SIP.
    port: int = 0
    #: User part of the Request-URI of a peer that did not register, and of its challenges.
    defaultuser: str = ""
    secret: str = ""
    #: HA1 in hex; wins over ``secret``.
    md5secret: str = ""
    #: Proves us to the peer, in place of ``secret``.
    remotesecret: str = ""
    #: Realm, user and secret that answer its challenges, before ``secret``.
    auth: tuple[tuple[str, str, str], ...] = ()
    fromuser: str = ""
    fromdomain: str = ""
    context: str = ""
    outofcall_message_context: str = ""
    #: Seconds within which an OPTIONS is answered in time; 0: it is not asked, None: as [general] says.
    qualify: float | None = None
    #: Seconds between two OPTIONS; None: as [general] says.
    qualifyfreq: int | None = None
    #: ``port``: any port of its address is its; ``invite``: it need not prove its texts.
    insecure: tuple[str, ...] = ()
    #: Any of no, force_rport, comedia, auto_force_rport, auto_comedia; None: as [general] says.
    nat: tuple[str, ...] | None = None
    #: Protocols, the first for what is sent to it; empty: as [general] says.
    transport: tuple[str, ...] = ()
    outboundproxy: str = ""
    #: We register at the peer, and are called by this user.
    callbackextension: str = ""
    usereqphone: bool = False
    acl: tuple[AccessRule, ...] = ()
    contact_acl: tuple[AccessRule, ...] = ()

    @property
    def dynamic(self) -> bool:
        return self.host.lower() == "dynamic"

    def __repr__(self) -> str:
        """Without the secrets: settings end up in logs."""
        return f"PeerSettings(name={self.name!r}, host={self.host!r}, secret=***)"

    __str__ = __repr__


class ChanSipGeneral(msgspec.Struct, frozen=True, kw_only=True):
    """[general] of sip.conf: what peers do not say themselves, and what decides on texts."""

    accept_outofcall_message: bool = True
    auth_message_requests: bool = True
    qualify: float = 0.0
    qualifyfreq: int = 60
    nat: tuple[str, ...] = ("auto_force_rport",)
    transport: tuple[str, ...] = ("udp",)
    context: str = "default"
    outofcall_message_context: str = ""
    defaultexpiry: int = 120
    minexpiry: int = 60
    maxexpiry: int = 3600
    contact_acl: tuple[AccessRule, ...] = ()


class ChanSipSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All of sip.conf: the sections as written, and ``sip``, what the kernel and the steps of PJSIP make of them."""

    general: ChanSipGeneral = ChanSipGeneral()
    peers: dict[str, PeerSettings] = {}
    sip: SipSettings = SipSettings()


# ---- http.conf, ari.conf


class PathRestriction(Settings, frozen=True, kw_only=True):
    """http.conf ``type=restriction``: whose address may ask for paths that start with ``name``."""

    acl: tuple[AccessRule, ...] = ()


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """http.conf. Timeouts in seconds."""

    enabled: bool = False
    bind_host: str = "127.0.0.1"
    bind_port: int = 8088
    #: Empty or ``/name``.
    prefix: str = ""
    #: Server header; empty: none.
    servername: str = "Switchroom"
    sessionlimit: int = 100
    session_inactivity: float = 30.0
    session_keep_alive: float = 15.0
    tls_enabled: bool = False
    #: Empty: as ``bind_host``.
    tls_bind_host: str = ""
    tls_bind_port: int = 8089
    #: PEM; the key may stand in the certificate's file.
    tls_cert_file: str = ""
    tls_key_file: str = ""
    #: All that name the start of a path must permit.
    restrictions: tuple[PathRestriction, ...] = ()


class AriUser(Settings, frozen=True, kw_only=True):
    """ari.conf ``type=user``."""

    password: str
    read_only: bool = False
    #: ``plain`` or ``crypt`` (a crypt(3) hash).
    password_format: str = "plain"  # noqa: S105 - the name of a format
    acl: tuple[AccessRule, ...] = ()

    def __repr__(self) -> str:
        """Without the password: settings end up in logs."""
        return f"AriUser(name={self.name!r}, read_only={self.read_only}, password=***)"

    __str__ = __repr__


class OutboundSettings(Settings, frozen=True, kw_only=True):
    """ari.conf ``type=outbound_websocket``, with what its websocket_client.conf section says. Times in seconds."""

    apps: tuple[str, ...]
    subscribe_all: bool = False
    #: The ARI user with whose rights the other side may send requests.
    local_user: str
    #: ``ws:`` or ``wss:``.
    uri: str
    protocols: tuple[str, ...] = ()
    username: str = ""
    password: str = ""
    connection_timeout: float = 0.5
    reconnect_interval: float = 0.5
    #: Between pings; 0: none. The connection is given up when one is not answered after half of it.
    ping_interval: float = 0.0
    ca_file: str = ""
    ca_path: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify_server: bool = True
    verify_hostname: bool = True
    #: ``host:port`` of a proxy that takes CONNECT; empty: none.
    proxy: str = ""
    proxy_username: str = ""
    proxy_password: str = ""

    def __repr__(self) -> str:
        """Without the passwords: settings end up in logs."""
        return f"OutboundSettings(name={self.name!r}, uri={self.uri!r}, password=***)"

    __str__ = __repr__


class AriSettings(msgspec.Struct, frozen=True, kw_only=True):
    """ari.conf."""

    enabled: bool = True
    pretty: bool = False
    auth_realm: str = "Asterisk REST Interface"
    #: Exact origins, or ``*``.
    allowed_origins: tuple[str, ...] = ()
    users: dict[str, AriUser] = {}
    outbound: dict[str, OutboundSettings] = {}


# ---- switchroom.conf


class SwitchroomSettings(msgspec.Struct, frozen=True, kw_only=True):
    """switchroom.conf: what is ours."""

    #: Turns the leniences of docs/rulings.md 11 off.
    strict: bool = False
    #: ``all``: a text goes to every reachable contact; ``first``: to the best, the next when it fails.
    fork: str = "all"
    #: Calls that pass through SIP: between ``endpoints`` and to trunks, or ``none``.
    calls: str = "endpoints"
    #: Whether phones that register are told to send their requests through us (RFC 3608).
    service_route: bool = False
    #: Whether the web console is served.
    console: bool = True
    #: Shown as ``asterisk_id``; empty: made once and kept in the state folder.
    entity_id: str = ""
    #: Logs: ``console`` or ``json``.
    log_format: str = "console"
    log_level: str = "info"
    #: Who may read /metrics: an ARI user (``yes``), everybody (``open``), nobody (``no``).
    metrics: str = "yes"
    #: Whose X-Forwarded-Proto is believed.
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    #: A text to an endpoint without a contact: ``reject`` it, or ``store`` it; and where an endpoint differs,
    #: by ``PJSIP/alice``, the technology in capitals.
    offline: str = "reject"
    offline_of: dict[str, str] = {}
    #: Seconds a text is worth delivering, and seconds a finished one is kept.
    message_life: float = 604_800.0
    message_retention: float = 86_400.0
    #: Whether the text of a finished message is kept.
    keep_body: bool = True
    #: What an accepted message survives: the end of the ``process``, or, with a sync of the ``disk``, of the machine.
    durability: Literal["process", "disk"] = "process"
    #: Undelivered messages of one endpoint.
    max_waiting: int = 1_000
    #: Event sources (``endpoint:PJSIP``) by the application that is subscribed to them when it connects.
    applications: dict[str, tuple[str, ...]] = {}


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration directory."""

    sip: SipSettings | None = None
    chan_sip: ChanSipSettings | None = None
    http: HttpSettings = HttpSettings()
    ari: AriSettings = AriSettings()
    switchroom: SwitchroomSettings = SwitchroomSettings()
    iax: IaxSettings | None = None
    xmpp: XmppSettings | None = None
    #: acl.conf, for what names its lists later.
    access_lists: dict[str, tuple[AccessRule, ...]] = {}
