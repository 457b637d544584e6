"""The seven operations on endpoints (charter section 1)."""

from __future__ import annotations

from switchroom.ari.call import Call
from switchroom.ari.errors import Refusal
from switchroom.ari.reply import Reply
from switchroom.model.endpoint import Endpoint
from switchroom.model.errors import EndpointNotFound


async def list_endpoints(call: Call) -> Reply:
    return Reply(200, call.services.registry.listing())


async def list_by_tech(call: Call) -> Reply:
    registry = call.services.registry
    technology = registry.technology(call.path[0])
    if technology is None:
        raise Refusal(404, f"No Endpoints found - invalid tech {call.path[0]}")
    return Reply(200, registry.listing(technology))


async def get(call: Call) -> Reply:
    technology, resource = call.path
    fragment = call.services.registry.fragment(technology, resource)
    if fragment is None:
        raise EndpointNotFound
    return Reply(200, fragment)


async def send_message(call: Call) -> Reply:
    body = call.take_text_body()
    to = call.required("to")
    sender, text, headers = _message(call, body)
    await call.services.messages.send(to, sender, text, headers)
    return Reply(202)


async def send_message_to_endpoint(call: Call) -> Reply:
    endpoint = _endpoint(call)
    sender, text, headers = _message(call, call.take_text_body())
    await call.services.messages.send_to(endpoint.id, sender, text, headers)
    return Reply(202)


async def refer(call: Call) -> Reply:
    to = call.required("to")
    sender, refer_to, headers, name = _referral(call)
    call.services.referrals.refer(to, sender, refer_to, headers, to_self=call.flag("to_self"), display_name=name)
    return Reply(202)


async def refer_to_endpoint(call: Call) -> Reply:
    endpoint = _endpoint(call)
    sender, refer_to, headers, name = _referral(call)
    call.services.referrals.refer_endpoint(
        endpoint.id, sender, refer_to, headers, to_self=call.flag("to_self"), display_name=name
    )
    return Reply(202)


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
