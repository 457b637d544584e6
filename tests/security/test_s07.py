"""S07: core headers are never set by ``variables``; every other name goes out exactly once."""

from __future__ import annotations

import pytest

from support.sip_world import SipWorld, aor, phone, settings

#: The SIP header registry of IANA (names as registered), and the compact forms.
REGISTERED = """
Accept Accept-Contact Accept-Encoding Accept-Language Accept-Resource-Priority Additional-Identity Alert-Info
Allow Allow-Events Answer-Mode Attestation-Info Authentication-Info Authorization Call-ID Call-Info Cellular-
Network-Info Contact Content-Disposition Content-Encoding Content-ID Content-Language Content-Length Content-
Type CSeq Date DC-Info Encryption Error-Info Event Expires Feature-Caps Flow-Timer From Geolocation
Geolocation-Error Geolocation-Routing Hide History-Info Identity Identity-Info Info-Package In-Reply-To Join
Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization Origination-Id P-Access-Network-Info
P-Answer-State P-Asserted-Identity P-Asserted-Service P-Associated-URI P-Called-Party-ID P-Charge-Info
P-Charging-Function-Addresses P-Charging-Vector P-DCS-Trace-Party-ID P-DCS-OSPS P-DCS-Billing-Info P-DCS-LAES
P-DCS-Redirect P-Early-Media P-Media-Authorization P-Preferred-Identity P-Preferred-Service P-Private-Network-
Indication P-Profile-Key P-Refused-URI-List P-Served-User P-User-Database P-Visited-Network-ID Path
Permission-Missing Policy-Contact Policy-ID Priority Priority-Share Priority-Verstat Priv-Answer-Mode Privacy
Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Reason-Phrase Record-Route Recv-Info Refer-
Events-At Refer-Sub Refer-To Referred-By Reject-Contact Relayed-Charge Replaces Reply-To Request-Disposition
Require Resource-Priority Resource-Share Response-Key Response-Source Restoration-Info Retry-After Route RSeq
Security-Client Security-Server Security-Verify Server Service-Interact-Info Service-Route Session-Expires
Session-ID SIP-ETag SIP-If-Match Subject Subscription-State Supported Suppress-If-Match Target-Dialog
Timestamp To Trigger-Consent Unsupported User-Agent User-to-User Via Warning WWW-Authenticate
"""
COMPACT = ["f", "t", "v", "i", "m", "l", "k"]
#: docs/rulings.md 2.
CORE = {
    "via", "from", "to", "call-id", "cseq", "contact", "route", "record-route", "max-forwards", "content-length",
    "allow", "supported", "require", "authorization", "user-agent", "proxy-authenticate", "proxy-authorization",
    "proxy-require", "request-uri", *COMPACT,
}  # fmt: skip
MARK = "x-mark-of-the-caller"


async def world() -> SipWorld:
    return await SipWorld(settings(phone("carol"), aors=[aor("carol", contact=("sip:carol@192.0.2.5",))])).start()


@pytest.mark.parametrize("name", [*REGISTERED.split(), *COMPACT, "Request-URI", "Proxy-Anything", "X-Own"])
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
async def test_every_registered_header_in_a_message(name: str, spelled: type[str]) -> None:
    w = await world()
    name = spelled(name)
    value = "text/x-mark" if name.lower() == "content-type" else MARK
    await w.messages.send("pjsip:carol", "a", "hi", {name: value})
    (sent,) = w.sent()
    text = sent.data.decode()
    if name.lower() in CORE or name.lower().startswith("proxy-"):
        assert MARK not in text
    else:
        assert text.count(value) == 1
        assert [n for _, n, v in sent.request.fields if v == value] in ([name], ["Content-Type"])


@pytest.mark.parametrize("name", ["Refer-To", "r", "refer-to", *sorted(CORE)])
async def test_core_headers_of_a_referral(name: str) -> None:
    w = await world()
    w.referrals.refer("pjsip:carol", "a", "sip:b@h.example", {name: MARK})
    (sent,) = w.sent()
    assert MARK not in sent.data.decode()


@pytest.mark.parametrize("name", ["Event", "Accept", "Expires", "Referred-By", "Refer-Sub", "Allow-Events"])
async def test_other_headers_of_a_referral_go_out_once(name: str) -> None:
    w = await world()
    w.referrals.refer("pjsip:carol", "a", "sip:b@h.example", {name: MARK})
    (sent,) = w.sent()
    assert [v for k, _, v in sent.request.fields if k == name.lower()] == [MARK]
