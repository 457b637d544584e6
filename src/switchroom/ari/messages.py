"""The operations on messages and referrals: how far they got, and taking back what is still queued."""

from __future__ import annotations

from urllib.parse import urlencode

from switchroom.ari.call import Call
from switchroom.ari.limits import DEFAULT_MESSAGES, MESSAGES
from switchroom.ari.render import encode_clean, message_document, referral_document
from switchroom.ari.reply import Reply
from switchroom.core.limits import MAX_LIFE
from switchroom.core.messages import SendOptions
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import InvalidParameter
from switchroom.model.record import MessageState

_KEEPING = {"reject": False, "store": True}
_OPTIONS = frozenset(("offline", "message_id", "expires"))
_NO_OPTIONS = SendOptions()


async def list_messages(call: Call) -> Reply:
    """The newest first; a Link names the rest (RFC 8288)."""
    endpoint, state = _endpoint(call), _state(call)
    limit = call.whole("limit", 1, MESSAGES) or DEFAULT_MESSAGES
    found = await call.services.messages.search(
        endpoint=endpoint, state=state, limit=limit + 1, after=call.text("after") or ""
    )
    shown = found[:limit]
    body = encode_clean([message_document(record) for record in shown])
    return Reply(200, body, _link(call, endpoint, state, limit, shown[-1].id) if len(found) > limit else b"")


async def get_message(call: Call) -> Reply:
    return Reply(200, encode_clean(message_document(await call.services.messages.find(call.path[0]))))


async def cancel_message(call: Call) -> Reply:
    await call.services.messages.cancel(call.path[0])
    return Reply(204)


async def get_referral(call: Call) -> Reply:
    return Reply(200, encode_clean(referral_document(call.services.referrals.find(call.path[0]))))


def send_options(call: Call) -> SendOptions:
    """What a sender may ask beside the text; mostly nothing."""
    if not call.mentions(_OPTIONS):
        return _NO_OPTIONS
    offline = call.text("offline")
    if offline is not None and offline not in _KEEPING:
        raise InvalidParameter("offline must be reject or store")
    return SendOptions(
        call.text("message_id"),
        _KEEPING[offline] if offline is not None else None,
        call.whole("expires", 1, int(MAX_LIFE)),
    )


def location(call: Call, kind: str, name: str) -> bytes:
    """The header line that says where it can be followed."""
    return b"Location: %b/%b/%b\r\n" % (call.services.root.encode(), kind.encode(), name.encode())


def _endpoint(call: Call) -> EndpointId | None:
    text = call.text("endpoint")
    if text is None:
        return None
    technology, slash, resource = text.partition("/")
    if not (technology and slash and resource):
        raise InvalidParameter("endpoint must be an endpoint, as PJSIP/alice")
    return EndpointId(call.services.registry.technology(technology) or technology.upper(), resource)


def _state(call: Call) -> MessageState | None:
    text = call.text("state")
    try:
        return MessageState(text) if text is not None else None
    except ValueError:
        raise InvalidParameter(f"state must be one of {', '.join(MessageState)}") from None


def _link(call: Call, endpoint: EndpointId | None, state: MessageState | None, limit: int, last: str) -> bytes:
    asked = {"endpoint": endpoint, "state": state.value if state is not None else None, "limit": limit, "after": last}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return b'Link: <%b/messages?%b>; rel="next"\r\n' % (call.services.root.encode(), query.encode())
