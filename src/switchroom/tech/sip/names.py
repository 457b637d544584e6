"""Whom a caller means: the destination, sender and referral target texts of ARI (docs/rulings.md 5 to 7).

Everything here is decided on text and configuration; nothing is sent and no name is resolved.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from switchroom.core.registry import Registry
from switchroom.model.endpoint import Contact, ContactStatus, EndpointId
from switchroom.model.errors import EndpointNotFound, InvalidParameter, InvalidReferTo, NoContact
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.gruu import Gruus
from switchroom.tech.sip.limits import CONTACT_URIS, SENDERS
from switchroom.tech.sip.outbound import one_per_phone
from switchroom.tech.sip.transports import Listener
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import NameAddr, parse_name_addr
from switchroom.wire.sip.uri import Uri, escape_user, parse_uri

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Half a surrogate pair: JSON can spell it, no header can carry it.
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
#: A scheme before a colon; a user part or a host with a port is told apart by what follows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
#: RFC 3261 25.1, and the form without a digit before the point that is seen in the field.
_QVALUE = re.compile(r"[01](?:\.[0-9]{0,3})?|\.[0-9]{1,3}")


#: Of SIP over UDP and TCP: what a URI without one means (RFC 3261 19.1.2).
DEFAULT_PORT = 5060


class Device(NamedTuple):
    """What a GRUU of ours means."""

    endpoint: SipEndpointSettings
    #: Where it is reached; None when it is not registered.
    contact: Contact | None


class Target(NamedTuple):
    """One place a request goes to, by an endpoint's settings."""

    endpoint: SipEndpointSettings
    uri: Uri
    #: The binding behind ``uri``; None for a URI the caller wrote.
    contact: Contact | None = None
    #: Name for the To header, when the caller gave one.
    display: str = ""
    #: False for a contact known to be unreachable while another is not.
    reachable: bool = True


def refuse_control(name: str, text: str) -> None:
    """docs/rulings.md 2: nothing that would end a header line, or can not be written, stands in a value."""
    if text.isascii() and text.isprintable():
        return
    if CONTROL.search(text):
        raise InvalidParameter(f"{name} has a control character")
    if _NO_TEXT.search(text):
        raise InvalidParameter(f"{name} is no Unicode text")


class Names:
    """Resolves the texts for one technology and directory."""

    def __init__(self, technology: str, directory: Directory, registry: Registry) -> None:
        self._technology = technology
        self._directory = directory
        self._registry = registry
        self._prefix = technology.lower() + ":"
        self._gruus: Gruus | None = None

    # ---- destinations

    def tell_devices_by(self, gruus: Gruus) -> None:
        """A URI may be a GRUU from now on."""
        self._gruus = gruus

    def device(self, uri: Uri) -> Device | None:
        """The device that a URI means (RFC 5627); None when it is no GRUU of ours."""
        aor = self._gruus.aor(uri) if self._gruus is not None else None
        users = self._directory.users(aor) if aor is not None else ()
        if not users or self._gruus is None:
            return None
        return Device(self._directory.endpoints[users[0]], self._gruus.find(uri))

    def contacts(self, endpoint: SipEndpointSettings) -> list[Contact]:
        """All contacts of an endpoint's addresses of record, in their order."""
        if len(endpoint.aors) == 1:
            return self._registry.contacts(self._technology, endpoint.aors[0])
        found: dict[str, Contact] = {}
        for aor in endpoint.aors:
            for contact in self._registry.contacts(self._technology, aor):
                found.setdefault(contact.uri, contact)
        return list(found.values())

    def destination(self, text: str, *, by_name: bool = False) -> list[Target]:
        """Asterisk's grammar of destinations. All contacts it means, at least one.

        Raises:
            EndpointNotFound: no such endpoint or no default endpoint for a URI; NoContact: an endpoint without one.
            InvalidParameter: a URI that can not be parsed.
        """
        refuse_control("to", text)
        if by_name:
            return self._reach(self._endpoint(text))
        head, slash, rest = text.partition("/")
        if slash:
            if head.upper() == self._technology and "@" in rest and "/" not in rest:
                user, _, name = rest.partition("@")
                reached = self._reach(self._endpoint(name if user else ""))
                return [t._replace(uri=t.uri.replace(user=escape_user(user))) for t in reached]
            return self._through(self._endpoint(head), rest)
        endpoint = self._directory.endpoints.get(text)
        if endpoint is not None:
            return self._reach(endpoint)
        if not text or _is_uri(text):
            return [self._by_uri(self._default(), text)]
        name, at, _ = text.partition("@")
        endpoint = self._directory.endpoints.get(name) if at else None
        if endpoint is not None:
            return self._reach(endpoint)
        default = self._default()
        if text.lower().startswith("tel:"):
            raise InvalidParameter(f"to is no SIP URI: {text}")
        return [self._by_uri(default, f"sip:{text}")]

    def _endpoint(self, name: str) -> SipEndpointSettings:
        endpoint = self._directory.endpoints.get(name)
        if endpoint is None:
            raise EndpointNotFound
        return endpoint

    def _default(self) -> SipEndpointSettings:
        return self._endpoint(self._directory.general.default_outbound_endpoint)

    def reach(self, endpoint: SipEndpointSettings) -> list[Target]:
        """All contacts of an endpoint, at least one.

        Raises:
            NoContact: there is none.
        """
        return self._reach(endpoint)

    def _reach(self, endpoint: SipEndpointSettings) -> list[Target]:
        """Its contacts, those known to be unreachable marked (docs/rulings.md 10)."""
        contacts = self.contacts(endpoint)
        if not contacts:
            raise NoContact(EndpointId(self._technology, endpoint.name))
        return _targets(endpoint, contacts)

    def _through(self, endpoint: SipEndpointSettings, rest: str) -> list[Target]:
        """``endpoint/URI``, ``endpoint/aor`` or ``endpoint/user@host``."""
        if not _is_uri(rest):
            if rest in self._directory.aors:
                contacts = self._registry.contacts(self._technology, rest)
                if not contacts:
                    raise EndpointNotFound
                return _targets(endpoint, contacts)
            if "@" not in rest:
                raise EndpointNotFound(f"Endpoint not found: {rest} is no address of record")
            rest = f"sip:{rest}"
        return [self._by_uri(endpoint, rest)]

    def _by_uri(self, endpoint: SipEndpointSettings, text: str) -> Target:
        if not text:
            raise EndpointNotFound
        name_addr = _name_addr("to", text)
        if name_addr.uri.scheme not in ("sip", "sips"):
            raise InvalidParameter(f"to is no SIP URI: {text}")
        gruus = self._gruus
        if gruus is not None and name_addr.uri.param("gr") is not None and gruus.aor(name_addr.uri) in endpoint.aors:
            contact = gruus.find(name_addr.uri)
            if contact is None:
                raise NoContact(EndpointId(self._technology, endpoint.name))
            return Target(endpoint, _contact_uri(contact.uri), contact, name_addr.display)
        return Target(endpoint, name_addr.uri, None, name_addr.display)

    def to_header(self, target: Target) -> NameAddr:
        """The To header of a text."""
        return to_header(target)

    # ---- senders

    def own(self, listener: Listener, peer: str) -> str:
        """Where a peer reaches us, ``host`` or ``host:port`` when that is not the port of SIP."""
        port = listener.own_port(peer)
        return listener.own_host(peer) if port == DEFAULT_PORT else f"{listener.own_host(peer)}:{port}"

    def sender(self, text: str, destination: SipEndpointSettings, own: str) -> NameAddr:
        """The From header's name and URI (docs/rulings.md 5, as Asterisk), without a tag.

        ``own`` is our address towards the destination, as ``own()`` gives it. A name in quotes is a user that an
        answer has to come back to, whatever it looks like: with our port.
        """
        if not text:
            raise InvalidParameter("from must be specified")
        refuse_control("from", text)
        text = self._without_prefix(text)
        host = destination.from_domain or _without_port(own)
        if len(text) > 2 and text[0] == text[-1] == '"':
            uri = _from(text[1:-1], host).uri
            return NameAddr("", uri if destination.from_domain else uri.replace(port=parse_uri(f"sip:{own}").port), {})
        endpoint = self._directory.endpoints.get(text)
        if endpoint is not None:
            return self._from_endpoint(endpoint, host)
        if _is_uri(text) or "<" in text or text.lower().startswith("tel:"):
            name_addr = _name_addr("from", text)
            uri = name_addr.uri
            if uri.scheme == "tel":
                return NameAddr(name_addr.display, uri, {})
            if uri.scheme not in ("sip", "sips"):
                raise InvalidParameter(f"from is no SIP URI: {text}")
            return NameAddr(name_addr.display, Uri("sip", uri.user, None, uri.host, None), {})
        user, at, domain = text.rpartition("@")
        if not at:
            user, domain = text, host
        if _SCHEME.match(user) or "@" in user or not user.strip():
            raise InvalidParameter(f"from is no URI, name or endpoint: {text}")
        return _from(user, domain)

    def _from_endpoint(self, endpoint: SipEndpointSettings, host: str) -> NameAddr:
        """``from_user`` with a domain of its own is used whole, unless ``disable_multi_domain`` (as Asterisk)."""
        user, domain = endpoint.from_user or endpoint.name, endpoint.from_domain or host
        if "@" in endpoint.from_user and not self._directory.general.disable_multi_domain:
            user, _, domain = endpoint.from_user.rpartition("@")
        return _from(user, domain)

    def _without_prefix(self, text: str) -> str:
        return text[len(self._prefix) :] if text[: len(self._prefix)].lower() == self._prefix else text

    # ---- what a phone is referred to

    def referred(self, text: str, *, to_self: bool, own: str, display: str | None) -> NameAddr:
        """The Refer-To header (docs/rulings.md 6). ``own`` is our ``host:port`` towards the phone."""
        if not text:
            raise InvalidParameter("refer_to must be specified")
        try:
            refuse_control("refer_to", text)
        except InvalidParameter as error:
            raise InvalidReferTo(str(error)) from None
        if display is not None:
            refuse_control("display_name", display)
        text = self._without_prefix(text)
        found = self._referred_endpoint(text, to_self=to_self, own=own)
        if found is None:
            if not _is_uri(text) and "@" in text and "<" not in text and not _SCHEME.match(text):
                text = f"sip:{text}"
            if not _SCHEME.match(text) and "<" not in text:
                raise EndpointNotFound
            found = _name_addr("refer_to", text)
            if found.uri.scheme not in ("sip", "sips", "tel"):
                raise InvalidReferTo(f"refer_to is neither an endpoint nor a sip, sips or tel URI: {text}")
        return NameAddr(found.display if display is None else display, found.uri, {})

    def _referred_endpoint(self, text: str, *, to_self: bool, own: str) -> NameAddr | None:
        """The target when it names an endpoint: its latest reachable contact, or us (``to_self``)."""
        user = uri = None
        name, slash, rest = text.partition("/")
        if slash and name.upper() == self._technology and "@" in rest and "/" not in rest:
            user, _, name = rest.partition("@")
            if not user:
                raise EndpointNotFound
            rest = ""
        endpoint = self._directory.endpoints.get(text if not slash else name)
        if endpoint is None:
            if slash and not _is_uri(text):
                raise EndpointNotFound
            before_at = text.partition("@")[0]
            endpoint = self._directory.endpoints.get(before_at) if "@" in text else None
            if endpoint is None:
                return None
        if rest:
            uri = latest(self._through(endpoint, rest)).uri
        if to_self:
            kept = escape_user(user or "") or (uri.user if uri is not None else None) or escape_user(endpoint.name)
            return NameAddr("", parse_uri(f"sip:{kept}@{own}"), {})
        if uri is None:
            uri = latest(self._reach(endpoint)).uri
        if user:
            uri = uri.replace(user=escape_user(user))
        return NameAddr("", uri, {})


def _targets(endpoint: SipEndpointSettings, contacts: list[Contact]) -> list[Target]:
    """Where to reach contacts; those known to be unreachable are marked, unless all are (docs/rulings.md 10)."""
    if len(contacts) == 1:
        return [Target(endpoint, _contact_uri(contacts[0].uri), contacts[0])]
    contacts = one_per_phone(contacts)
    reachable = [c.status is not ContactStatus.UNREACHABLE for c in contacts]
    none = not any(reachable)
    return [Target(endpoint, _contact_uri(c.uri), c, "", r or none) for c, r in zip(contacts, reachable, strict=True)]


@lru_cache(maxsize=CONTACT_URIS)
def _contact_uri(text: str) -> Uri:
    """A contact's URI; remembered apart from what strangers write, so that they can not push it out."""
    return parse_uri(text)


def request_uri(uri: Uri, endpoint: SipEndpointSettings) -> str:
    """The Request-URI for a target: its own parameters stay, embedded headers do not (RFC 3261 19.1.5)."""
    if uri.headers:
        uri = uri.replace(headers="")
    if endpoint.user_eq_phone and uri.user and uri.user.removeprefix("+").isdigit() and uri.param("user") is None:
        uri = uri.replace(params=(*uri.params, ("user", "phone")))
    return str(uri)


def to_header(target: Target) -> NameAddr:
    """The To header of a request to ``target``: no port, no parameters (as Asterisk)."""
    uri = target.uri
    return NameAddr(target.display, Uri("sip", uri.user, None, uri.host, None), {})


def latest(targets: list[Target]) -> Target:
    """The most recently registered of the reachable (docs/rulings.md 8); static contacts keep their order."""
    return max(targets, key=lambda t: (t.reachable, t.contact.registered if t.contact is not None else 0.0))


def _is_uri(text: str) -> bool:
    lowered = text.lower()
    return "sip:" in lowered or "sips:" in lowered


@lru_cache(maxsize=SENDERS)
def _from(user: str, host: str) -> NameAddr:
    """User and host alone: a port or parameters that were written behind the host are left out."""
    try:
        uri = parse_uri(f"sip:{escape_user(user)}@{host}")
    except SipError as error:
        raise InvalidParameter(f"from has no valid domain: {host}") from error
    return NameAddr("", Uri("sip", uri.user, None, uri.host), {})


def qvalue(name_addr: NameAddr) -> float:
    """The preference of a Contact (RFC 3261 25.1); 1 when there is none or it is unreadable."""
    written = name_addr.params.get("q")
    if written is None or not _QVALUE.fullmatch(written):
        return 1.0
    return min(1.0, float(written))


def _without_port(address: str) -> str:
    head, colon, port = address.rpartition(":")
    return head if colon and port.isdecimal() else address


def _name_addr(parameter: str, text: str) -> NameAddr:
    """A URI or name-addr as a caller wrote it; parameters without brackets belong to the URI."""
    try:
        return parse_name_addr(text, bare_params_belong_to_header=False)
    except SipError as error:
        raise InvalidParameter(f"{parameter} is no valid URI: {text}") from error
