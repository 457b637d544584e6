"""Who sent a request: identification (as Asterisk does). It proves nothing; authentication does."""

from __future__ import annotations

import re
from functools import lru_cache

from switchroom.core.access import permits
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.wire.sip.digest import parse_credentials
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived


def identify(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    """The endpoint a request claims to be from; None for a stranger, or where its acl forbids the source."""
    if directory.lines and (endpoint := directory.by_line(incoming.request.uri)) is not None:
        return endpoint if permits(endpoint.acl, incoming.flow.host) else None
    for method in directory.identifiers:
        endpoint = _IDENTIFIERS[method](directory, incoming)
        if endpoint is not None:
            return endpoint if permits(endpoint.acl, incoming.flow.host) else None
    return None


def _by_ip(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    name = directory.by_source(incoming.flow.host, incoming.flow.port)
    endpoint = directory.endpoints.get(name) if name else None
    return endpoint if endpoint is not None and "ip" in endpoint.identify_by else None


def _by_username(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    uri = incoming.request.from_.uri
    if uri.user is None:
        return None
    endpoint = directory.by_name(uri.unescaped_user, uri.host)
    return endpoint if endpoint is not None and "username" in endpoint.identify_by else None


def _by_auth_username(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    request = incoming.request
    # A proxy's challenge, which calls get, is answered in a header of its own (RFC 3261 22.3).
    value = request.first("authorization") or request.first("proxy-authorization")
    if value is None:
        return None
    try:
        username = parse_credentials(value).username
    except SipError:
        return None
    endpoint = directory.by_name(username, request.from_.uri.host)
    if endpoint is None or "auth_username" not in endpoint.identify_by:
        return None
    # Whoever calls themselves by another endpoint's name has to prove that they are that one (SECURITY.md S13).
    named = directory.by_name(request.from_.uri.unescaped_user, request.from_.uri.host)
    return endpoint if named is None or named is endpoint else None


def _by_header(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    for name, pattern, endpoint in directory.by_header:
        for value in incoming.request.lines(name):
            if _matches(pattern, value):
                return directory.endpoints.get(endpoint)
    return None


def _by_request_uri(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    for pattern, endpoint in directory.by_request_uri:
        if _matches(pattern, incoming.request.target):
            return directory.endpoints.get(endpoint)
    return None


def _anonymous(directory: Directory, incoming: RequestReceived) -> SipEndpointSettings | None:
    return directory.by_name("anonymous", incoming.request.from_.uri.host)


_IDENTIFIERS = {
    "ip": _by_ip,
    "username": _by_username,
    "auth_username": _by_auth_username,
    "header": _by_header,
    "request_uri": _by_request_uri,
    "anonymous": _anonymous,
}


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """``/regex/`` compiled (its text is the administrator's), None for a plain value."""
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return re.compile(pattern[1:-1])
    return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled.search(value) is not None if compiled is not None else value == pattern
