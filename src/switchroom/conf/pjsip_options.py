"""The options of pjsip.conf, kind by kind, as Asterisk names them."""

from __future__ import annotations

from switchroom.conf.acl import acl_options
from switchroom.conf.options import Honoured, Table, words
from switchroom.conf.parse import (
    algorithms,
    bind,
    boolean,
    choice,
    choices,
    decimal,
    digests,
    display_name,
    header_match,
    host,
    matches,
    md5_digest,
    milliseconds,
    names,
    networks,
    pattern,
    plain,
    proxy_uri,
    shared,
    sip_uri,
    sip_uris,
    whole,
    word,
)

_SECONDS = whole(0, 2**31 - 1)
_COUNT = whole(0, 2**31 - 1)
_IDENTIFIERS = ("username", "auth_username", "ip", "header", "request_uri")

ENDPOINT = Table(
    "an endpoint",
    {
        "aors": Honoured("aors", names),
        "auth": Honoured("auth", names, repeats=True),
        "outbound_auth": Honoured("outbound_auth", names, repeats=True),
        "identify_by": Honoured("identify_by", choices(*_IDENTIFIERS)),
        "transport": Honoured("transport", shared),
        "outbound_proxy": Honoured("outbound_proxy", proxy_uri),
        "from_user": Honoured("from_user", word),
        "from_domain": Honoured("from_domain", word),
        "contact_user": Honoured("contact_user", word),
        "context": Honoured("context", shared),
        "message_context": Honoured("message_context", shared),
        "force_rport": Honoured("force_rport", boolean),
        "rewrite_contact": Honoured("rewrite_contact", boolean),
        "user_eq_phone": Honoured("user_eq_phone", boolean),
        "allow_unauthenticated_options": Honoured("allow_unauthenticated_options", boolean),
        "follow_redirect_methods": Honoured("follow_redirect_methods", choices("message", "invite")),
        "callerid": Honoured("callerid_name", display_name),
        "device_state_busy_at": Honoured("device_state_busy_at", _COUNT),
        "trust_id_inbound": Honoured("trust_id_inbound", boolean),
        "send_pai": Honoured("send_pai", boolean),
        **acl_options(),
        **acl_options("contact_"),
    },
    accepted=words("""
        type 100rel accept_multiple_sdp_answers accountcode aggregate_mwi allow allow_overlap allow_subscribe
        allow_transfer asymmetric_rtp_codec bind_rtp_to_media_address bundle call_group callerid_privacy callerid_tag
        codec_prefs_incoming_answer codec_prefs_incoming_offer codec_prefs_outgoing_answer codec_prefs_outgoing_offer
        connected_line_method cos_audio cos_video direct_media direct_media_glare_mitigation direct_media_method
        disable_direct_media_on_nat disallow dtls_auto_generate_cert dtls_ca_file dtls_ca_path dtls_cert_file
        dtls_cipher dtls_fingerprint dtls_private_key dtls_rekey dtls_setup dtls_verify dtmf_mode fax_detect
        fax_detect_timeout follow_early_media_fork force_avp g726_non_standard geoloc_incoming_call_profile
        geoloc_outgoing_call_profile ice_support ignore_183_without_sdp inband_progress incoming_call_offer_pref
        incoming_mwi_mailbox language mailboxes max_audio_streams max_video_streams media_address media_encryption
        media_encryption_optimistic media_use_received_transport moh_passthrough moh_suggest mwi_from_user
        mwi_subscribe_replaces_unsolicited named_call_group named_pickup_group notify_early_inuse_ringing
        one_touch_recording outgoing_call_offer_pref overlap_context pickup_group preferred_codec_only
        record_off_feature record_on_feature redirect_method refer_blind_progress rpid_immediate rtcp_mux rtp_engine
        rtp_ipv6 rtp_keepalive rtp_symmetric rtp_timeout rtp_timeout_hold sdp_owner sdp_session security_mechanisms
        security_negotiation send_aoc send_connected_line send_diversion send_history_info send_rpid set_var
        srtp_tag_32 stir_shaken stir_shaken_profile sub_min_expiry subscribe_context suppress_moh_on_sendonly
        suppress_q850_reason_headers t38_bind_udptl_to_media_address t38_udptl t38_udptl_ec t38_udptl_ipv6
        t38_udptl_maxdatagram t38_udptl_nat tenantid timers timers_min_se timers_sess_expires tone_zone tos_audio
        tos_video trust_connected_line trust_id_outbound use_avpf use_ptime voicemail_extension webrtc
        """),
)

AUTH = Table(
    "an auth section",
    {
        "username": Honoured("username", shared),
        "password": Honoured("password", plain, secret=True),
        "password_digest": Honoured("_digests", digests, repeats=True, secret=True),
        "md5_cred": Honoured("_digests", md5_digest, repeats=True, secret=True),
        "realm": Honoured("realm", shared),
        "nonce_lifetime": Honoured("nonce_lifetime", whole(1, 86400)),
        "supported_algorithms_uas": Honoured("algorithms_uas", algorithms),
        "supported_algorithms_uac": Honoured("algorithms_uac", algorithms),
    },
    accepted=frozenset({"type", "auth_type"}),
    unsupported=dict.fromkeys(
        ("refresh_token", "oauth_clientid", "oauth_secret"), "Use a password or a password_digest instead"
    ),
)

AOR = Table(
    "an aor",
    {
        "contact": Honoured("contact", sip_uris, repeats=True),
        "max_contacts": Honoured("max_contacts", _COUNT),
        "remove_existing": Honoured("remove_existing", boolean),
        "remove_unavailable": Honoured("remove_unavailable", boolean),
        "minimum_expiration": Honoured("minimum_expiration", _SECONDS),
        "default_expiration": Honoured("default_expiration", _SECONDS),
        "maximum_expiration": Honoured("maximum_expiration", _SECONDS),
        "qualify_frequency": Honoured("qualify_frequency", whole(0, 86400)),
        "qualify_timeout": Honoured("qualify_timeout", decimal(0, 86400)),
        "qualify_2xx_only": Honoured("qualify_2xx_only", boolean),
        "authenticate_qualify": Honoured("authenticate_qualify", boolean),
        "outbound_proxy": Honoured("outbound_proxy", proxy_uri),
        "support_path": Honoured("support_path", boolean),
    },
    accepted=frozenset({"type", "mailboxes", "voicemail_extension"}),
)

IDENTIFY = Table(
    "an identify section",
    {
        "endpoint": Honoured("endpoint", shared),
        "match": Honoured("_matches", matches, repeats=True),
        "srv_lookups": Honoured("srv_lookups", boolean),
        "match_header": Honoured("match_header", header_match),
        "match_request_uri": Honoured("match_request_uri", pattern),
    },
    accepted=frozenset({"type"}),
)

_TLS_LIBRARY = "Leave it to the TLS library, which offers TLS 1.2 and later, and remove the line"

TRANSPORT = Table(
    "a transport",
    {
        "protocol": Honoured("protocol", choice("udp", "tcp", "tls", "ws", "wss", "flow")),
        "bind": Honoured("_bind", bind),
        "domain": Honoured("domain", word),
        "external_signaling_address": Honoured("external_signaling_address", host),
        "external_signaling_hostname": Honoured("external_signaling_address", host),
        "external_signaling_port": Honoured("external_signaling_port", whole(0, 65535)),
        "local_net": Honoured("local_net", networks, repeats=True),
        "symmetric_transport": Honoured("symmetric_transport", boolean),
        "cert_file": Honoured("cert_file", plain),
        "priv_key_file": Honoured("priv_key_file", plain),
        "ca_list_file": Honoured("ca_list_file", plain),
        "verify_server": Honoured("verify_server", boolean),
        "verify_client": Honoured("verify_client", boolean),
        "require_client_cert": Honoured("require_client_cert", boolean),
    },
    accepted=words("""
        type allow_reload async_operations cos external_media_address tcp_keepalive_enable tcp_keepalive_idle_time
        tcp_keepalive_interval_time tcp_keepalive_probe_count tos websocket_write_timeout
        """),
    unsupported={
        "ca_list_path": "Put the certificates into one file and name it with ca_list_file",
        "password": "Use a private key without a password, readable by this user only",
        "cipher": _TLS_LIBRARY,
        "method": _TLS_LIBRARY,
        "allow_wildcard_certs": "Name each host in the certificate",
    },
)

REGISTRATION = Table(
    "a registration",
    {
        "server_uri": Honoured("server_uri", sip_uri),
        "client_uri": Honoured("client_uri", sip_uri),
        "contact_user": Honoured("contact_user", word),
        "expiration": Honoured("expiration", whole(1, 2**31 - 1)),
        "outbound_auth": Honoured("outbound_auth", names, repeats=True),
        "outbound_proxy": Honoured("outbound_proxy", proxy_uri),
        "transport": Honoured("transport", shared),
        "retry_interval": Honoured("retry_interval", whole(0, 86400)),
        "forbidden_retry_interval": Honoured("forbidden_retry_interval", whole(0, 86400)),
        "fatal_retry_interval": Honoured("fatal_retry_interval", whole(0, 86400)),
        "max_retries": Honoured("max_retries", _COUNT),
        "auth_rejection_permanent": Honoured("auth_rejection_permanent", boolean),
        "max_random_initial_delay": Honoured("max_random_initial_delay", whole(0, 86400)),
        "line": Honoured("line", boolean),
        "endpoint": Honoured("endpoint", shared),
        "support_path": Honoured("support_path", boolean),
        "support_outbound": Honoured("support_outbound", boolean),
    },
    accepted=words("type contact_header_params security_mechanisms security_negotiation user_agent"),
)

SIP_ACL = Table("an acl", {**acl_options(), **acl_options("contact_")}, accepted=frozenset({"type"}))

DOMAIN_ALIAS = Table("a domain_alias", {"domain": Honoured("domain", word)}, accepted=frozenset({"type"}))

CONTACT = Table(
    "a contact",
    {"uri": Honoured("uri", sip_uri), "aor": Honoured("aor", shared)},
    accepted=words("""
        type authenticate_qualify call_id endpoint expiration_time outbound_proxy path prune_on_boot qualify_2xx_only
        qualify_frequency qualify_timeout reg_server user_agent via_addr via_port
        """),
)

GLOBAL = Table(
    "the global section",
    {
        "max_forwards": Honoured("max_forwards", whole(1, 255)),
        "user_agent": Honoured("user_agent", plain),
        "default_outbound_endpoint": Honoured("default_outbound_endpoint", shared),
        "default_from_user": Honoured("default_from_user", word),
        "default_realm": Honoured("default_realm", shared),
        "endpoint_identifier_order": Honoured(
            "endpoint_identifier_order",
            choices("ip", "username", "anonymous", "header", "request_uri", "auth_username"),
        ),
        "contact_expiration_check_interval": Honoured("contact_expiration_check_interval", whole(1, 86400)),
        "max_initial_qualify_time": Honoured("max_initial_qualify_time", _SECONDS),
        "default_auth_algorithms_uas": Honoured("default_auth_algorithms_uas", algorithms),
        "default_auth_algorithms_uac": Honoured("default_auth_algorithms_uac", algorithms),
        "disable_multi_domain": Honoured("disable_multi_domain", boolean),
        "send_contact_status_on_update_registration": Honoured("send_contact_status_on_update_registration", boolean),
    },
    accepted=words("""
        type all_codecs_on_empty_reinvite allow_sending_180_after_183 debug default_voicemail_extension
        ignore_uri_user_options keep_alive_interval mwi_disable_initial_unsolicited mwi_tps_queue_high
        mwi_tps_queue_low norefersub regcontext taskprocessor_overload_trigger unidentified_request_count
        unidentified_request_period unidentified_request_prune_interval use_callerid_contact
        """),
)

SYSTEM = Table(
    "the system section",
    {
        "timer_t1": Honoured("timer_t1", milliseconds(100, 60_000)),
        "timer_b": Honoured("timer_b", milliseconds(6_400, 3_840_000)),
        "disable_tcp_switch": Honoured("disable_tcp_switch", boolean),
    },
    accepted=words("""
        type accept_multiple_sdp_answers compact_headers disable_rport follow_early_media_fork
        taskpool_auto_increment taskpool_idle_timeout taskpool_initial_size taskpool_max_size taskpool_minimum_size
        threadpool_auto_increment threadpool_idle_timeout threadpool_initial_size threadpool_max_size
        """),
)

#: The value of ``type`` to the options of such a section.
KINDS = {
    "endpoint": ENDPOINT,
    "auth": AUTH,
    "aor": AOR,
    "identify": IDENTIFY,
    "transport": TRANSPORT,
    "registration": REGISTRATION,
    "acl": SIP_ACL,
    "domain_alias": DOMAIN_ALIAS,
    "contact": CONTACT,
    "global": GLOBAL,
    "system": SYSTEM,
}

_CALLS_ONLY = "Remove the section; Switchroom is about messages and referrals"

#: Kinds Asterisk knows and this server does not serve, to what to do about them.
UNSUPPORTED_KINDS = {
    "phoneprov": "Provision the phones by other means",
    "phoneprov_user": "Provision the phones by other means",
    "resource_list": _CALLS_ONLY,
    "outbound-publish": _CALLS_ONLY,
    "inbound-publication": _CALLS_ONLY,
    "asterisk-publication": _CALLS_ONLY,
    "subscription_persistence": _CALLS_ONLY,
}
