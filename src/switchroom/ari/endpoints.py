"""The operations on endpoints: the seven of ARI (docs/ari.md), and where an endpoint is reached."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import structlog

from switchroom.ari.call import Call
from switchroom.ari.encoding import GZIP_LINES, gzip, takes_gzip
from switchroom.ari.errors import Refusal
from switchroom.ari.limits import PAGE
from switchroom.ari.messages import location, send_options
from switchroom.ari.render import timestamp
from switchroom.ari.reply import Reply, encode
from switchroom.model.endpoint import Contact, Endpoint, EndpointId, EndpointState
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.message import Fallback

_log = structlog.get_logger("switchroom.ari.endpoints")


async def list_endpoints(call: Call) -> Reply:
    return _list(call, None)


async def list_by_tech(call: Call) -> Reply:
    registry = call.services.registry
    technology = registry.technology(call.path[0])
    if technology is None:
        raise Refusal(404, f"No Endpoints found - invalid tech {call.path[0]}")
    return _list(call, technology)


def _list(call: Call, technology: str | None) -> Reply:
    """All of it, or what ``state``, ``limit`` and ``after`` leave; then a Link names the rest (RFC 8288)."""
    registry = call.services.registry
    tag = _tag(call, registry.revision)
    if not call.query and not call.body:
        return _unless_known(call, tag) or Reply(200, registry.listing(technology), tag)
    state, limit, after = _state(call), call.whole("limit", 1, PAGE), _after(call)
    if state is None and limit is None and after is None:
        return _unless_known(call, tag) or Reply(200, registry.listing(technology), tag)
    known = _unless_known(call, tag)
    if known is not None:
        return known
    body, last = registry.page(technology, state, after, limit)
    lines = _link(call, technology, state, limit, last) if last is not None else b""
    # Of a page only: who asks for everything is near, and gets the list as it is kept.
    if limit is not None and call.request is not None and takes_gzip(call.request.headers.get("Accept-Encoding", "")):
        # The same list in other bytes has a weak ETag (RFC 9110 8.8.1).
        return Reply(200, gzip([body]), tag.replace(b'"', b'W/"', 1) + lines + GZIP_LINES)
    return Reply(200, body, tag + lines)


def _state(call: Call) -> EndpointState | None:
    text = call.text("state")
    try:
        return EndpointState(text) if text is not None else None
    except ValueError:
        raise InvalidParameter("state must be unknown, offline or online") from None


def _after(call: Call) -> EndpointId | None:
    text = call.text("after")
    if text is None:
        return None
    technology, slash, resource = text.partition("/")
    if not slash:
        raise InvalidParameter("after must be an endpoint, as PJSIP/alice")
    return EndpointId(call.services.registry.technology(technology) or technology, resource)


def _link(
    call: Call, technology: str | None, state: EndpointState | None, limit: int | None, last: EndpointId
) -> bytes:
    query = urlencode({"state": state, "limit": limit, "after": last} if state else {"limit": limit, "after": last})
    path = f"{call.services.root}/endpoints" + (f"/{quote(technology)}" if technology is not None else "")
    return b'Link: <%b?%b>; rel="next"\r\n' % (path.encode(), query.encode())


def _tag(call: Call, revision: int) -> bytes:
    """The ETag line of what last changed in a revision; revisions count from the start of the server."""
    return b'%b%x"\r\n' % (call.services.tag, revision)


def _unless_known(call: Call, tag: bytes) -> Reply | None:
    """304 when the client has this already (RFC 9110 13.1.2), else None."""
    known = call.request.headers.get("If-None-Match") if call.request is not None else None
    if known is None:
        return None
    if known.strip() == "*" or tag[6:-2].decode() in {part.strip().removeprefix("W/") for part in known.split(",")}:
        return Reply(304, headers=tag)
    return None


async def get(call: Call) -> Reply:
    technology, resource = call.path
    found = call.services.registry.fragment(technology, resource)
    if found is None:
        raise EndpointNotFound
    fragment, revision = found
    tag = _tag(call, revision)
    return _unless_known(call, tag) or Reply(200, fragment, tag)


async def contacts(call: Call) -> Reply:
    """Where the endpoint is reached, and since when."""
    found = call.services.registry.contacts_of(*call.path)
    if found is None:
        raise EndpointNotFound
    clock = call.services.clock
    # Expiry is kept on the scale that never jumps.
    ahead = clock.wall() - clock.monotonic()
    return Reply(200, encode([_contact(contact, ahead) for contact in found]))


def _shown(text: str) -> str:
    """What a phone wrote need not be Unicode."""
    return text.encode("utf-8", "replace").decode()


def _contact(contact: Contact, ahead: float) -> dict[str, str | None]:
    return {
        "uri": _shown(contact.uri),
        "aor": contact.aor,
        "status": contact.status,
        "roundtrip_usec": str(contact.roundtrip_usec),
        "user_agent": _shown(contact.user_agent),
        "transport": contact.transport,
        "address": contact.address,
        "registered": timestamp(contact.registered) if contact.registered else None,
        "expires": timestamp(contact.expires + ahead) if contact.expires is not None else None,
    }


async def send_message(call: Call) -> Reply:
    body = call.take_text_body()
    to = call.required("to")
    sender, text, headers = _message(call, body)
    record = await call.services.messages.send(to, sender, text, headers, send_options(call))
    _log.debug("a text is accepted", message=record.id, user=call.user.name)
    return Reply(202, headers=location(call, "messages", record.id))


async def send_message_to_endpoint(call: Call) -> Reply:
    endpoint = _endpoint(call)
    sender, text, headers = _message(call, call.take_text_body())
    record = await call.services.messages.send_to(endpoint.id, sender, text, headers, send_options(call))
    _log.debug("a text is accepted", message=record.id, user=call.user.name)
    return Reply(202, headers=location(call, "messages", record.id))


async def refer(call: Call) -> Reply:
    to = call.required("to")
    sender, refer_to, headers, name = _referral(call)
    referral = call.services.referrals.refer(
        to,
        sender,
        refer_to,
        headers,
        to_self=call.flag("to_self"),
        display_name=name,
        fallback=_fallback(call),
    )
    return Reply(202, headers=location(call, "referrals", referral.id))


async def refer_to_endpoint(call: Call) -> Reply:
    endpoint = _endpoint(call)
    sender, refer_to, headers, name = _referral(call)
    referral = call.services.referrals.refer_endpoint(
        endpoint.id,
        sender,
        refer_to,
        headers,
        to_self=call.flag("to_self"),
        display_name=name,
        fallback=_fallback(call),
    )
    return Reply(202, headers=location(call, "referrals", referral.id))


def _fallback(call: Call) -> Fallback:
    text = call.text("fallback")
    try:
        return Fallback(text) if text is not None else Fallback.NONE
    except ValueError:
        raise InvalidParameter("fallback must be none or invite") from None


def _endpoint(call: Call) -> Endpoint:
    """The endpoint the path names; it comes before any parameter, as in Asterisk."""
    endpoint = call.services.registry.get(*call.path)
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


def _message(call: Call, body: str | None) -> tuple[str, str, dict[str, str]]:
    """Sender, text and headers; a text that is absent is empty."""
    return call.required("from"), body if body is not None else call.text("body") or "", call.variables()


def _referral(call: Call) -> tuple[str, str, dict[str, str], str | None]:
    """Sender, whom to refer to, headers, display name.

    The display name is a key of the JSON body or, as Asterisk also takes it, a variable; a query
    parameter of that name is unknown.
    """
    sender, refer_to, headers = call.required("from"), call.required("refer_to"), call.variables()
    name = headers.pop("display_name", None)
    if call.object("display_name") is not None:
        name = call.text("display_name")
    return sender, refer_to, headers, name
