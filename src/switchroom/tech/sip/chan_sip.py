"""SIP: the older driver of Asterisk, chan_sip, as far as it differs from PJSIP.

Peers have one contact each and are told of as peers; they register by the name in To and send by the name in From or
from their address; a destination is a peer, ``user@peer`` or ``user@host``.
"""

from __future__ import annotations

from collections.abc import Callable

from switchroom.core.access import permits
from switchroom.core.peers import Contacts, Peers
from switchroom.core.ports import Clock
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.model.endpoint import Contact, ContactStatus, EndpointState
from switchroom.model.errors import EndpointNotFound, InvalidParameter
from switchroom.model.events import EndpointEvent
from switchroom.model.message import ReceivedText
from switchroom.model.settings import ChanSipSettings, PeerSettings, SipEndpointSettings, Source
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.messaging import printable, shown_headers
from switchroom.tech.sip.names import Names, Target, refuse_control
from switchroom.tech.sip.transports import host_port
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.uri import Uri, escape_user, parse_uri

#: What is sent to a host that is no peer is sent by nobody's settings.
_NOBODY = SipEndpointSettings(name="", source=Source("sip.conf", 0))


class ChanSip:
    """See ``tech.sip.driver.Driver``."""

    def __init__(
        self,
        settings: Callable[[], ChanSipSettings],
        technology: str,
        directory: Directory,
        registry: Registry,
        clock: Clock,
    ) -> None:
        """``settings`` gives sip.conf as it is now."""
        self._settings = settings
        self._directory = directory
        self._sources = Sources(Peers(technology, registry, clock, self._limit))
        self.contacts: Contacts = self._sources
        self.names: Names = PeerNames(technology, directory, registry)

    def _limit(self, aor: str) -> float:
        settings = self._directory.aors.get(aor)
        return settings.qualify_limit if settings is not None else 0.0

    @property
    def accepts_texts(self) -> bool:
        return self._settings().general.accept_outofcall_message

    def state(self, endpoint: SipEndpointSettings) -> EndpointState:
        """One that has to register is not there; of any other nobody knows."""
        peer = self._settings().peers.get(endpoint.name)
        return EndpointState.OFFLINE if peer is not None and peer.peer and peer.dynamic else EndpointState.UNKNOWN

    # ---- who sends

    def identify(self, incoming: RequestReceived) -> SipEndpointSettings | None:
        """By a registration of ours, by name or by source, as the method has it; None where the peer's acl forbids the
        source.
        """
        request = incoming.request
        if self._directory.lines and (calling := self._directory.by_line(request.uri)) is not None:
            name: str | None = calling.name
        elif request.method == "REGISTER":
            to = request.to.uri
            peer = self._peer(to.unescaped_user or to.host)
            name = peer.name if peer is not None and peer.peer else None
        elif request.method == "MESSAGE" and not self._settings().general.auth_message_requests:
            name = self._by_source(incoming)
        else:
            peer = self._peer(request.from_.uri.unescaped_user)
            name = peer.name if peer is not None and peer.user else self._by_source(incoming)
        endpoint = self._directory.endpoints.get(name) if name is not None else None
        return endpoint if endpoint is not None and permits(endpoint.acl, incoming.flow.host) else None

    def trusts(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> bool:
        """Texts are proven unless [general] says otherwise, texts and calls unless ``insecure=invite`` does and they
        come from where the peer is.
        """
        method = incoming.request.method
        if method not in ("MESSAGE", "INVITE"):
            return False
        if method == "MESSAGE" and not self._settings().general.auth_message_requests:
            return True
        peer = self._peer(endpoint.name)
        return peer is not None and "invite" in peer.insecure and self._by_source(incoming) == peer.name

    def _peer(self, name: str) -> PeerSettings | None:
        return self._settings().peers.get(name) if name else None

    def _by_source(self, incoming: RequestReceived) -> str | None:
        """The peer at the packet's source: one with an address of its own, else one that registered from there."""
        host, port = incoming.flow.host, incoming.flow.port
        static = self._directory.by_source(host, port)
        if static is not None:
            return static
        name = self._sources.by_address.get(host_port(host, port))
        if name is not None:
            return name
        for name in self._sources.by_host.get(host, ()):
            peer = self._peer(name)
            if peer is not None and "port" in peer.insecure:
                return name
        return None

    # ---- what applications see

    def received(self, incoming: RequestReceived, endpoint: SipEndpointSettings) -> ReceivedText:
        """``to`` is the Request-URI as it came; repeated headers show their last line."""
        request = incoming.request
        own = {
            "SIP_RECVADDR": host_port(incoming.flow.host, incoming.flow.port),
            "SIP_PEERNAME": endpoint.name,
        }
        contacts = request.contacts if request.first("contact") else []
        if contacts:
            own["SIP_FULLCONTACT"] = printable(str(contacts[0].uri))
        # Ours come first and can not be replaced.
        variables = {**own, **shown_headers(request), **own}
        sender = request.from_
        display = "".join(" " if sign < " " else sign for sign in sender.display)
        body = request.body.decode("utf-8", "replace").rstrip("\n")
        return ReceivedText(
            printable(str(NameAddr(display, sender.uri, {}))), printable(request.target), body, variables
        )


class Sources:
    """The contacts of peers, and where each registered from."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        #: ``host:port`` to the peer that registered from there last.
        self.by_address: dict[str, str] = {}
        self.by_host: dict[str, dict[str, None]] = {}

    def bind(self, aor: AddressOfRecord, contact: Contact, *, repeat: bool = False) -> list[EndpointEvent]:
        self._learn(aor, contact)
        return self._peers.bind(aor, contact, repeat=repeat)

    def restore(self, aor: AddressOfRecord, contact: Contact) -> list[EndpointEvent]:
        self._learn(aor, contact)
        return self._peers.restore(aor, contact)

    def unbind(self, aor: AddressOfRecord, uri: str) -> list[EndpointEvent]:
        self._unlearn(aor, uri)
        return self._peers.unbind(aor, uri)

    def qualify(
        self, aor: AddressOfRecord, uri: str, status: ContactStatus, roundtrip_usec: int
    ) -> list[EndpointEvent]:
        return self._peers.qualify(aor, uri, status, roundtrip_usec)

    def _learn(self, aor: AddressOfRecord, contact: Contact) -> None:
        self._unlearn(aor, contact.uri)
        if contact.address:
            self.by_address[contact.address] = aor.name
            self.by_host.setdefault(_host(contact.address), {})[aor.name] = None

    def _unlearn(self, aor: AddressOfRecord, uri: str) -> None:
        known = aor.contacts.get(uri)
        if known is None or not known.address:
            return
        if any(c.address == known.address for c in aor.contacts.values() if c is not known):
            return
        if self.by_address.get(known.address) == aor.name:
            del self.by_address[known.address]
        host = _host(known.address)
        if any(_host(c.address) == host for c in aor.contacts.values() if c is not known):
            return
        there = self.by_host.get(host, {})
        there.pop(aor.name, None)
        if not there:
            self.by_host.pop(host, None)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


class PeerNames(Names):
    """The texts of callers as chan_sip reads them."""

    def destination(self, text: str, *, by_name: bool = False) -> list[Target]:
        """``peer``, ``user@peer`` or ``[user@]host[:port][;parameters]``; a peer before a host of the same name. And
        ``peer/GRUU`` and ``peer/URI``, as PJSIP.

        Raises:
            EndpointNotFound: neither peer nor host; NoContact: a peer without an address.
            InvalidParameter: a URI that can not be parsed.
        """
        refuse_control("to", text)
        if by_name or text in self._directory.endpoints:
            return self._reach(self._endpoint(text))
        name, slash, device = text.partition("/")
        if slash and (";gr" in device or device.startswith("sip:")) and name in self._directory.endpoints:
            return [self._by_uri(self._endpoint(name), device)]
        user, at, rest = text.rpartition("@")
        host = rest.partition("?")[0].partition(";")[0]
        if at and host in self._directory.endpoints:
            return [_with_user(target, user) for target in self._reach(self._endpoint(host))]
        try:
            uri = parse_uri(f"sip:{text}")
        except SipError as error:
            if not at:
                raise EndpointNotFound from error
            raise InvalidParameter(f"to is no SIP URI: {text}") from error
        if not at and "." not in uri.host and ":" not in uri.host:
            raise EndpointNotFound  # a name without a domain that is no peer
        if uri.host.isdecimal():
            raise EndpointNotFound  # a number is no host
        return [Target(_NOBODY, uri.replace(password=None, headers=""))]

    def to_header(self, target: Target) -> NameAddr:
        """The same as the Request-URI."""
        return NameAddr(target.display, target.uri.replace(headers=""), {})

    # ---- senders

    def sender(self, text: str, destination: SipEndpointSettings, own: str) -> NameAddr:
        """As PJSIP, but whoever is at our address is at our port, for answers to come in here and not at PJSIP's; and
        ``fromuser`` and ``fromdomain`` of the destination replace what there is.
        """
        found = super().sender(text, destination, own)
        uri = found.uri
        if uri.scheme == "tel":
            return found
        here = parse_uri(f"sip:{own}")
        if uri.host == here.host:
            uri = uri.replace(port=here.port)
        if destination.from_user:
            uri = uri.replace(user=escape_user(destination.from_user))
        if destination.from_domain:
            uri = uri.replace(host=destination.from_domain, port=None)
        return NameAddr(found.display, uri, {})

    def _from_endpoint(self, endpoint: SipEndpointSettings, host: str) -> NameAddr:
        """``fromuser`` is about whom something is sent to, not about who sends."""
        return NameAddr("", Uri("sip", escape_user(endpoint.name), None, parse_uri(f"sip:{host}").host), {})

    def _without_prefix(self, text: str) -> str:
        """``sip:`` before the name of a peer is the technology, else the scheme of a URI."""
        name = super()._without_prefix(text)
        return name if name in self._directory.endpoints or _is_address(name) else text


def _is_address(text: str) -> bool:
    """Whether a caller wrote a URI or a name with one, not a name alone."""
    return "<" in text or text[:5].lower().startswith(("sip:", "sips:"))


def _with_user(target: Target, user: str) -> Target:
    """A peer that registered is called by its own Contact, any other by the user asked for."""
    if target.contact is None or not target.contact.static:
        return target
    return target._replace(uri=target.uri.replace(user=escape_user(user.partition(":")[0])))
