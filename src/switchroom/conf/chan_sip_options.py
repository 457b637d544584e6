"""The options of sip.conf, as Asterisk's older SIP driver names them."""

from __future__ import annotations

import re
from typing import NamedTuple

from switchroom.conf.acl import acl_options, rule
from switchroom.conf.options import Honoured, Table, words
from switchroom.conf.parse import (
    FALSE,
    TRUE,
    Misread,
    bind,
    boolean,
    choices,
    host,
    is_host,
    md5_digest,
    milliseconds,
    names,
    networks,
    plain,
    proxy_uri,
    shared,
    whole,
    word,
)

#: ``qualify=yes``, in seconds.
QUALIFY = 2.0

_NAT_WORDS = ("no", "force_rport", "comedia", "auto_force_rport", "auto_comedia")
_EXPIRY = whole(1, 2**31 - 1)
_FREQUENCY = whole(1, 86_400)
_NOT_IN_URI = re.compile(r"[\s<>\"@]")


def qualify(text: str) -> float:
    """``yes``, ``no`` or milliseconds, in seconds."""
    lowered = text.lower()
    if lowered in FALSE:
        return 0.0
    if lowered in TRUE - {"1"}:
        return QUALIFY
    try:
        return milliseconds(1, 3_600_000)(text)
    except Misread:
        raise Misread("yes, no or a number of milliseconds") from None


def nat(text: str) -> tuple[str, ...]:
    """A list of the words of ``nat``; ``yes`` is what older versions meant by it."""
    if text.lower() in TRUE:
        return ("force_rport", "comedia")
    return choices(*_NAT_WORDS)("no" if text.lower() in FALSE else text)


def insecure(text: str) -> tuple[str, ...]:
    """``port``, ``invite``, both, or a word for neither."""
    if not text or text.lower() in FALSE:
        return ()
    return choices("port", "invite")(text)


def credentials(text: str) -> tuple[tuple[str, str, str], ...]:
    """``user[:secret]@realm`` as realm, user and secret."""
    account, at, realm = text.rpartition("@")
    user, _, secret = account.partition(":")
    if not at or not user or not realm:
        raise Misread("user:secret@realm", meanwhile="until then it is left out")
    return ((realm, user, secret),)


def md5(text: str) -> str:
    """The one digest there can be."""
    found = md5_digest(text)
    return found[0][1] if found else ""


def proxy(text: str) -> str:
    """``host[:port][,force]`` or ``proto://host[:port]`` as a URI of a loose router."""
    address, _, mode = text.partition(",")
    scheme, _, rest = address.strip().rpartition("://")
    if not rest:
        return ""
    if mode.strip().lower() not in ("", "force") or scheme.lower() not in ("", "udp", "tcp", "tls"):
        raise Misread("an address, as proxy.example:5060")
    rest = rest.removeprefix("sip:")
    transport = f";transport={scheme.lower()}" if scheme.lower() in ("tcp", "tls") else ""
    return proxy_uri(f"sip:{rest.partition(';')[0]}{transport};lr")


class Register(NamedTuple):
    """A line ``register =>``; empty text and 0 mean not written."""

    peer: str
    transport: str
    user: str
    domain: str
    secret: str
    account: str
    host: str
    port: int
    extension: str
    expiry: int


_REGISTER = re.compile(
    r"(?:(?P<peer>[^?:@]*)\?)?(?:(?P<transport>udp|tcp|tls)://)?"
    r"(?P<user>[^:@]+)(?:@(?P<domain>[^:@]+))?(?::(?P<secret>.*?)(?::(?P<account>[^:@]+))?)?"
    r"@(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@/~\[]+)(?::(?P<port>[0-9]{1,5}))?(?:/(?P<extension>[^~]*))?(?:~(?P<expiry>[0-9]{1,9}))?",
    re.IGNORECASE,
)


def register(text: str) -> tuple[Register, ...]:
    """``[peer?][transport://]user[@domain][:secret[:authuser]]@host[:port][/extension][~expiry]``, of which the last
    ``@`` is before the host.
    """
    found = _REGISTER.fullmatch(text)
    wrong = Misread("user:secret@host, with [:port][/extension] behind it", meanwhile="until then it is left out")
    if found is None:
        raise wrong
    parts = found.groupdict(default="")
    port = int(parts["port"] or 0)
    named = (parts["user"], parts["domain"], parts["extension"])
    if not is_host(parts["host"].strip("[]")) or port > 65535 or any(map(_NOT_IN_URI.search, named)):
        raise wrong
    return (
        Register(
            peer=parts["peer"].strip(),
            transport=parts["transport"].lower(),
            user=parts["user"],
            domain=parts["domain"],
            secret=parts["secret"],
            account=parts["account"],
            host=parts["host"].strip("[]"),
            port=port,
            extension=parts["extension"],
            expiry=int(parts["expiry"] or 0),
        ),
    )


#: Written without an underscore, unlike in pjsip.conf.
_CONTACT_ACL = {
    "contactpermit": Honoured("_contact_rules", rule(permit=True), repeats=True),
    "contactdeny": Honoured("_contact_rules", rule(permit=False), repeats=True),
    "contactacl": Honoured("_contact_acls", names, repeats=True),
}

#: About calls, media, subscriptions and the dialplan; said of peers and in [general].
_OF_BOTH = words("""
    accountcode allow allowoverlap allowsubscribe allowtransfer amaflags autoframing avpf buggymwi busylevel
    busy_level call-limit call_limit callcounter callgroup callingpres canreinvite cc_agent_policy
    cc_monitor_policy cid_number cid_tag constantssrc description dialoginfo directmedia directmediaacl
    directmediadeny directmediapermit disallow disallowed_methods dtlscafile dtlscapath dtlscertfile
    dtlscipher dtlsenable dtlsfingerprint dtlsprivatekey dtlsrekey dtlssetup dtlsverify dtmfmode encryption
    encryption_taglen faxdetect force_avp fullname g726nonstandard hasexten hasvoicemail icesupport
    ignore_requested_pref ignoreregexpire ignoresdpversion incominglimit keepalive language mailbox
    maxcallbitrate maxforwards mohinterpret mohsuggest mwi_from namedcallgroup namedpickupgroup
    outgoinglimit parkinglot pickupgroup preferred_codec_only progressinband promiscredir recordofffeature
    recordonfeature rfc2833compensate rpid_immediate rpid_update rtcp_mux rtpholdtimeout rtpkeepalive
    rtptimeout sendrpid session-expires session-minse session-refresher session-timers setvar
    snom_aoc_support snomaocmessage stimer subscribecontext subscribemwi t38pt_udptl t38pt_usertpsource
    timert1 timerb timert2 tonezone trunkname trust_id_outbound trustrpid unsolicited_mailbox
    use_q850_reason use_ptime useclientcode videosupport vmexten zonemessages
    """)

PEER = Table(
    "a peer",
    {
        "host": Honoured("host", host),
        "port": Honoured("port", whole(0, 65535)),
        "defaultuser": Honoured("defaultuser", word),
        "username": Honoured("defaultuser", word),
        "secret": Honoured("secret", plain, secret=True),
        "md5secret": Honoured("md5secret", md5, secret=True),
        "remotesecret": Honoured("remotesecret", plain, secret=True),
        "auth": Honoured("auth", credentials, repeats=True, secret=True),
        "fromuser": Honoured("fromuser", word),
        "fromdomain": Honoured("fromdomain", word),
        "context": Honoured("context", shared),
        "outofcall_message_context": Honoured("outofcall_message_context", shared),
        "qualify": Honoured("qualify", qualify),
        "qualifyfreq": Honoured("qualifyfreq", _FREQUENCY),
        "insecure": Honoured("insecure", insecure),
        "nat": Honoured("nat", nat),
        "transport": Honoured("transport", choices("udp", "tcp", "tls", "ws", "wss")),
        "outboundproxy": Honoured("outboundproxy", proxy),
        "callbackextension": Honoured("callbackextension", word),
        "usereqphone": Honoured("usereqphone", boolean),
        **acl_options(),
        **_CONTACT_ACL,
    },
    accepted=_OF_BOTH | words("type callerid cid regexten disable_registration mask notifyringing"),
    unsupported={"defaultip": "Write the address as host"},
    any_case=True,
)

GENERAL = Table(
    "sip.conf",
    {
        "bindport": Honoured("_bindport", whole(1, 65535)),
        "bindaddr": Honoured("_bind", bind),
        "udpbindaddr": Honoured("_bind", bind),
        "tcpenable": Honoured("_tcpenable", boolean),
        "tcpbindaddr": Honoured("_tcpbind", bind),
        "tlsenable": Honoured("_tlsenable", boolean),
        "tlsbindaddr": Honoured("_tlsbind", bind),
        "tlscertfile": Honoured("_tlscertfile", plain),
        "tlsprivatekey": Honoured("_tlsprivatekey", plain),
        "tlscafile": Honoured("_tlscafile", plain),
        "externaddr": Honoured("_externaddr", host),
        "externip": Honoured("_externaddr", host),
        "externhost": Honoured("_externaddr", host),
        "localnet": Honoured("_localnet", networks, repeats=True),
        "realm": Honoured("_realm", shared),
        "useragent": Honoured("_useragent", plain),
        "maxforwards": Honoured("_maxforwards", whole(1, 255)),
        "timert1": Honoured("_timert1", milliseconds(100, 60_000)),
        "defaultexpiry": Honoured("defaultexpiry", _EXPIRY),
        "defaultexpirey": Honoured("defaultexpiry", _EXPIRY),
        "minexpiry": Honoured("minexpiry", _EXPIRY),
        "minexpirey": Honoured("minexpiry", _EXPIRY),
        "maxexpiry": Honoured("maxexpiry", _EXPIRY),
        "maxexpirey": Honoured("maxexpiry", _EXPIRY),
        "qualify": Honoured("qualify", qualify),
        "qualifyfreq": Honoured("qualifyfreq", _FREQUENCY),
        "nat": Honoured("nat", nat),
        "transport": Honoured("transport", choices("udp", "tcp", "tls", "ws", "wss")),
        "outboundproxy": Honoured("_outboundproxy", proxy),
        "context": Honoured("context", shared),
        "accept_outofcall_message": Honoured("accept_outofcall_message", boolean),
        "outofcall_message_context": Honoured("outofcall_message_context", shared),
        "auth_message_requests": Honoured("auth_message_requests", boolean),
        "register": Honoured("_register", register, repeats=True, secret=True),
        "registertimeout": Honoured("_registertimeout", whole(1, 86_400)),
        "registerattempts": Honoured("_registerattempts", whole(0, 2**31 - 1)),
        "register_retry_403": Honoured("_register_retry_403", boolean),
        **_CONTACT_ACL,
    },
    accepted=(_OF_BOTH - {"maxforwards", "timert1"})
    | words("""
        alwaysauthreject auth_options_requests authfailureevents allowexternaldomains allowguest
        autodomain callerid callevents compactheaders cos_audio cos_sip cos_text cos_video domain
        domainsasrealm dumphistory dynamic_exclude_static externrefresh externtcpport externtlsport
        fromdomain fromuser insecure jbenable jbforce jbimpl jblog jbmaxsize jbresyncthreshold
        jbtargetextra legacy_useroption_parsing match_auth_username matchexternaddrlocally
        matchexterniplocally media_address mwiexpirey mwiexpiry notifycid notifyhold notifymimetype
        notifyringing parkext pedantic permitrealtime qualifygap qualifypeers recordhistory
        refer_addheaders regcontext regextenonqualify relaxdtmf rtautoclear
        rtcachefriends rtsave_path rtsavesysname rtupdate sdpowner
        sdpsession send_diversion shrinkcallerid sipdebug srvlookup store_sip_cause
        subscribe_network_change_event supportpath t1min tcpauthlimit tcpauthtimeout tlscadir tlscapath
        tlscipher tlsclientmethod tlsdisablev1 tlsdisablev11 tlsdisablev12 tlsdontverifyserver
        tlsservercipherorder tos_audio tos_sip tos_text tos_video udpsize websocket_enabled
        websocket_write_timeout
        """),
    unsupported={
        "mwi": "Remove the line",
        "autocreatepeer": "Write a section for each phone, from a template",
    },
    any_case=True,
)
