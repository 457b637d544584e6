"""The registrar (RFC 3261 section 10): what a REGISTER asks of an endpoint's own addresses of record.

Pure decision: ``register`` answers and lists changes; the core's registry applies them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache

from switchroom.core.access import permits
from switchroom.core.policy import NO_LITERAL, forbidden
from switchroom.core.registry import AddressOfRecord, Registry
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.model.settings import AorSettings, SipEndpointSettings
from switchroom.tech.sip.answer import Answer, Bind, Unbind
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.gruu import Gruus
from switchroom.tech.sip.limits import (
    MAX_CONTACT_HOST,
    MAX_CONTACT_URI,
    MAX_CONTACTS_PER_REQUEST,
    MAX_PATH,
    MAX_SHOWN,
)
from switchroom.tech.sip.names import qvalue
from switchroom.tech.sip.outbound import (
    first_hop_knows,
    is_direct,
    is_tied,
    outbound_id,
    parameters,
    replaced_by,
)
from switchroom.tech.sip.transports import URI_TRANSPORT, bracketed, host_port, next_host
from switchroom.wire.sip.digest import parse_credentials
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.flow import Flow
from switchroom.wire.sip.headers import NameAddr, parse_delta_seconds, parse_name_addr
from switchroom.wire.sip.message import Request
from switchroom.wire.sip.uri import Uri, parse_uri, uri_equal


class Refused(Exception):
    """Why a REGISTER changes nothing; carries the answer."""

    def __init__(self, status: int, reason: str = "", headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(status)
        self.answer = Answer(status, tuple(headers), reason)


class Registrar:
    """Answers REGISTER for the endpoints of one directory."""

    def __init__(
        self,
        technology: str,
        directory: Directory,
        registry: Registry,
        gruus: Gruus,
        service_route: Callable[[Flow], str] | None = None,
    ) -> None:
        """``service_route`` makes the Route that a phone on a flow is to take (RFC 3608); None: they are told none."""
        self._technology = technology
        self._directory = directory
        self._registry = registry
        self._gruus = gruus
        self._service_route = service_route

    def register(self, incoming: RequestReceived, endpoint: SipEndpointSettings, now: float, wall: float) -> Answer:
        """``now`` is monotonic, ``wall`` the time of day; the request is authenticated."""
        try:
            settings, aor = self._address_of_record(incoming.request, endpoint)
            changes = self._changes(incoming, endpoint, settings, aor, now, wall)
        except Refused as refused:
            return refused.answer
        headers = self._bindings(incoming.request, settings, aor, changes, now, wall)
        if self._service_route is not None:
            headers.append(("Service-Route", self._service_route(incoming.flow)))
        return Answer(200, headers, changes=changes)

    # ---- which address of record

    def _address_of_record(
        self, request: Request, endpoint: SipEndpointSettings
    ) -> tuple[AorSettings, AddressOfRecord]:
        """RFC 3261 10.3 steps 1 to 5. It must be the endpoint's own: nobody registers for another."""
        if not endpoint.aors:
            raise Refused(403)
        to = request.to.uri
        if to.scheme not in ("sip", "sips"):
            raise Refused(416)
        settings = self._directory.aor_for(endpoint, to.unescaped_user or "", to.host)
        if settings is None and "auth_username" in endpoint.identify_by:
            settings = self._directory.aor_for(endpoint, _digest_username(request), to.host)
        if settings is None:
            raise Refused(404)
        if settings.max_contacts == 0:
            raise Refused(403)
        return settings, self._registry.declare(self._technology, settings.name)

    # ---- what changes

    def _changes(
        self,
        incoming: RequestReceived,
        endpoint: SipEndpointSettings,
        settings: AorSettings,
        aor: AddressOfRecord,
        now: float,
        wall: float,
    ) -> list[Bind | Unbind]:
        """RFC 3261 10.3 steps 6 and 7: all of the request's contacts, or none."""
        request = incoming.request
        if request.wildcard_contact:
            return self._remove_all(request, aor)
        written = request.contacts
        if not written:
            return []
        if len(written) > MAX_CONTACTS_PER_REQUEST:
            raise Refused(403)
        path = self._path(request, settings)
        # A phone behind a proxy is reached by its Path; with the proxy's address in its Contact requests would loop.
        movable = request.first("path") is None
        flow = incoming.flow
        address = host_port(flow.host, flow.port)
        call_id, cseq = request.call_id, request.cseq.number
        user_agent = _shown((request.first("user-agent") or "")[:MAX_SHOWN])
        header_expires = request.expires
        # By URI, so that two spellings of one contact in one request are one change: the last one.
        changes: dict[str, Bind | Unbind] = {}
        replaced: list[Bind | Unbind] = []
        for position, name_addr in enumerate(written):
            uri, original = self._contact_uri(incoming, endpoint, name_addr, rewrite=position == 0 and movable)
            text = str(uri)
            if len(text) > MAX_CONTACT_URI:
                raise Refused(400)
            known = _find(aor.contacts, uri, text)
            if known is not None and known.call_id == call_id and cseq <= known.cseq:
                raise Refused(400, "CSeq Out Of Order")
            # The first spelling of a URI stays (as Asterisk).
            if known is not None:
                text = known.uri
            elif changes:
                text = _spelling(changes, uri, text)
            expires = _expires(name_addr, header_expires, settings)
            if known is not None and known.static:
                continue
            if expires == 0:
                changes.pop(text, None)
                if known is not None:
                    changes[text] = Unbind(aor, text)
                continue
            outbound = outbound_id(incoming, name_addr, path)
            # A phone that does not insist is content with an ordinary binding.
            if (
                not outbound
                and "reg-id" in name_addr.params
                and _insists(request)
                and not first_hop_knows(incoming, path)
            ):
                raise Refused(439, "First Hop Lacks Outbound Support")
            contact = Contact(
                aor=settings.name,
                uri=text,
                # What a refresh keeps.
                status=ContactStatus.NON_QUALIFIED if known is None else known.status,
                roundtrip_usec=0 if known is None else known.roundtrip_usec,
                registered=wall,
                expires=now + expires,
                q=qvalue(name_addr),
                user_agent=user_agent,
                transport=flow.transport,
                address=address,
                path=path,
                original_uri=original,
                call_id=call_id,
                cseq=cseq,
                instance=(name_addr.params.get("+sip.instance") or "")[:MAX_SHOWN],
                listener=flow.local,
                reg_id=outbound,
                flow=flow if not flow.reliable or is_direct(incoming) else None,
                tied=is_tied(incoming, uri, outbound=outbound > 0),
            )
            changes[text] = Bind(aor, contact)
            # After the new one is bound, so that the phone does not seem to be gone for a moment.
            replaced += [Unbind(aor, older) for older in replaced_by(aor.contacts, contact) if older not in changes]
        return self._make_room(settings, aor, [*changes.values(), *replaced])

    def _remove_all(self, request: Request, aor: AddressOfRecord) -> list[Bind | Unbind]:
        """``Contact: *`` (RFC 3261 10.2.2) takes every binding away, and goes with ``Expires: 0`` alone."""
        if len(request.all("contact")) != 1 or request.expires != 0:
            raise Refused(400)
        mine = [c for c in aor.contacts.values() if not c.static]
        if any(c.call_id == request.call_id and request.cseq.number <= c.cseq for c in mine):
            raise Refused(400, "CSeq Out Of Order")
        return [Unbind(aor, contact.uri) for contact in mine]

    def _path(self, request: Request, settings: AorSettings) -> tuple[str, ...]:
        """RFC 3327 5.3: Path is kept where the phone said that it knows of it."""
        path = request.all("path")
        if not path or not settings.support_path:
            return ()
        if not _supports(request, "path"):
            raise Refused(420, headers=[("Unsupported", "path")])
        if sum(map(len, path)) > MAX_PATH:
            raise Refused(400, "Path Too Long")
        if any(parse_name_addr(value).uri.scheme not in ("sip", "sips") for value in path):
            raise Refused(400, "Path Is No SIP URI")
        return tuple(path)

    def _contact_uri(
        self, incoming: RequestReceived, endpoint: SipEndpointSettings, name_addr: NameAddr, *, rewrite: bool
    ) -> tuple[Uri, str]:
        """The URI to keep, and what the phone wrote where that differs (``rewrite_contact``)."""
        uri = name_addr.uri
        if uri.scheme not in ("sip", "sips"):
            raise Refused(416)
        if len(uri.host) > MAX_CONTACT_HOST:
            raise Refused(400)
        if uri.param("gr") is not None and self._gruus.aor(uri) is not None:
            raise Refused(403)  # it would be reached by itself (RFC 5627 section 5.1)
        host, flow = next_host(uri), incoming.flow
        for named in {uri.host.strip("[]"), host}:
            if not permits(endpoint.contact_acl, named) or not permits(self._directory.contact_rules, named):
                raise Refused(403)
        moved = rewrite and (endpoint.rewrite_contact or (endpoint.rewrite_behind_nat and _behind_nat(incoming)))
        reason = forbidden(flow.host if moved else host, loopback=True)
        if reason is not None and reason != NO_LITERAL:
            raise Refused(403, "Contact Address Not Allowed")
        if not moved:
            return uri, ""
        original = str(uri)
        if len(original) > MAX_CONTACT_URI:
            raise Refused(400)
        uri = uri.replace(host=bracketed(flow.host), port=flow.port).without_params("transport", "maddr")
        if parameter := URI_TRANSPORT[flow.transport]:
            uri = uri.replace(params=(*uri.params, ("transport", parameter)))
        return uri, original

    def _make_room(
        self, settings: AorSettings, aor: AddressOfRecord, changes: list[Bind | Unbind]
    ) -> list[Bind | Unbind]:
        """``max_contacts``, ``remove_existing`` and ``remove_unavailable`` (as Asterisk)."""
        if len(aor.contacts) + len(changes) <= settings.max_contacts:
            return changes
        after = {uri: c for uri, c in aor.contacts.items() if not c.static}
        named = set()
        for change in changes:
            if isinstance(change, Bind):
                after[change.contact.uri] = change.contact
                named.add(change.contact.uri)
            else:
                after.pop(change.uri, None)
        surplus = len(after) - settings.max_contacts
        if surplus <= 0:
            return changes
        others = [c for uri, c in after.items() if uri not in named]
        unavailable = [c for c in others if c.status is ContactStatus.UNREACHABLE]
        if settings.remove_existing and len(named) <= settings.max_contacts:
            first = unavailable if settings.remove_unavailable else []
            rest = sorted((c for c in others if c not in first), key=lambda c: c.expires or 0.0)
            going = [*first, *rest][:surplus]
        elif settings.remove_unavailable and len(unavailable) >= surplus:
            going = unavailable[:surplus]
        else:
            raise Refused(403)
        return [*changes, *(Unbind(aor, c.uri) for c in going)]

    # ---- the answer

    def _bindings(
        self,
        request: Request,
        settings: AorSettings,
        aor: AddressOfRecord,
        changes: list[Bind | Unbind],
        now: float,
        wall: float,
    ) -> list[tuple[str, str]]:
        """RFC 3261 10.3 step 8: every current binding with the seconds it has left."""
        current = dict(aor.contacts)
        for change in changes:
            if isinstance(change, Bind):
                current[change.contact.uri] = change.contact
            else:
                current.pop(change.uri, None)
        headers = [("Date", _date(int(wall)))]
        none: dict[str, str] = {}
        told = any(contact.instance for contact in current.values()) and _supports(request, "gruu")
        for contact in current.values():
            shown = contact.original_uri or contact.uri
            if contact.expires is None:
                headers.append(("Contact", f"<{shown}>"))
            else:
                left = max(0, round(contact.expires - now))
                gruus = self._gruus.given(request.to.uri, contact) if told else none
                headers.append(("Contact", f"<{shown}>;expires={left}{parameters(contact, gruus)}"))
        expires = request.expires
        if expires is not None:
            headers.append(("Expires", str(_clamp(expires, settings))))
        if any(isinstance(change, Bind) and change.contact.reg_id for change in changes):
            headers.append(("Require", "outbound"))  # RFC 5626 section 6: it was done
        if settings.support_path:
            headers.append(("Supported", "path"))
            headers.extend(("Path", line) for line in request.lines("path"))
        return headers


def _insists(request: Request) -> bool:
    return "outbound" in (tag.lower() for tag in request.all("require"))


def _supports(request: Request, option: str) -> bool:
    return option in (tag.lower() for tag in request.all("supported"))


def _behind_nat(incoming: RequestReceived) -> bool:
    """Whether the sender knows itself by another address than its packets come from."""
    return incoming.request.via.host.strip("[]") != incoming.flow.host


def _digest_username(request: Request) -> str:
    try:
        return parse_credentials(request.first("authorization") or "").username
    except SipError:
        return ""


def _find(contacts: Mapping[str, Contact], uri: Uri, text: str) -> Contact | None:
    """The binding of an equal URI (RFC 3261 19.1.4); ``text`` is ``uri`` as written."""
    exact = contacts.get(text)
    if exact is not None:
        return exact
    for contact in contacts.values():
        if uri_equal(parse_uri(contact.uri), uri):
            return contact
    return None


def _spelling(changes: Mapping[str, object], uri: Uri, text: str) -> str:
    """How an equal URI was written before in the same request; as it is written now when it is the first."""
    return next((known for known in changes if uri_equal(parse_uri(known), uri)), text)


@lru_cache(maxsize=4)
def _date(wall: int) -> str:
    """The Date header (RFC 3261 20.17), made once a second."""
    return formatdate(wall, usegmt=True)


def _clamp(seconds: int, settings: AorSettings) -> int:
    """Zero stays zero; the rest is brought within the address of record's bounds (docs/rulings.md 16)."""
    if seconds == 0:
        return 0
    return max(settings.minimum_expiration, min(seconds, settings.maximum_expiration))


def _expires(name_addr: NameAddr, header: int | None, settings: AorSettings) -> int:
    """The parameter before the header before the default (RFC 3261 10.2.1.1)."""
    written = name_addr.params.get("expires")
    if written is not None:
        return _clamp(parse_delta_seconds(written), settings)
    return _clamp(settings.default_expiration if header is None else header, settings)


@lru_cache(maxsize=512)
def _shown(text: str) -> str:
    """Text for people and JSON: bytes that are no UTF-8 are replaced. Phones of one make share it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
