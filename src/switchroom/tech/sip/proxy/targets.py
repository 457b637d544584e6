"""Whom a Request-URI means: an endpoint here, or a number behind a trunk. Nobody else: this is no open relay."""

from __future__ import annotations

from switchroom.core.registry import Registry
from switchroom.model.endpoint import Contact, EndpointId
from switchroom.model.errors import EndpointNotFound, NoContact
from switchroom.model.settings import SipEndpointSettings
from switchroom.tech.sip.directory import Directory
from switchroom.tech.sip.names import Device, Names, Target
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.uri import Uri, parse_uri

_DEFAULT_PORT = 5060


class Targets:
    """Finds where a call goes (RFC 3261 16.5)."""

    def __init__(self, technology: str, directory: Directory, names: Names, registry: Registry) -> None:
        self._technology = technology
        self._directory = directory
        self._names = names
        self._registry = registry
        self._trunks: dict[str, list[tuple[str, str]]] = {}
        self._revision = -1

    def find(self, uri: Uri, *, proven: bool) -> list[Target]:
        """The contacts a request to ``uri`` is sent to, at least one: all that are not known to be unreachable.

        A GRUU of ours is its device, a name its endpoint. A URI at the host of a static contact goes to that endpoint,
        with the user that was asked for; ``proven``: the caller has shown a password, whoever is known by an address
        alone may not.

        Raises:
            EndpointNotFound: nobody here; NoContact: an endpoint that is nowhere.
            SipError: 403: not for this caller; 400: a user that is no UTF-8.
        """
        device = self._names.device(uri)
        if device is not None:
            return [_reached(device, self._technology)]
        user = uri.opaque.partition(";")[0] if uri.scheme == "tel" else uri.unescaped_user
        endpoint = self._directory.by_name(user, uri.host) if user else None
        if endpoint is not None:
            return [target for target in self._names.reach(endpoint) if target.reachable]
        trunk = self._trunk(uri)
        if trunk is None:
            raise EndpointNotFound
        if not proven:
            raise SipError(403, "Trunks Are For Callers With A Password")
        return [trunk]

    def named(self, uri: Uri) -> SipEndpointSettings | None:
        """The endpoint that a SIP URI names, or one of its devices; whether it can be reached or not.

        Raises:
            SipError: a user that is no UTF-8.
        """
        device = self._names.device(uri)
        if device is not None:
            return device.endpoint
        return self._directory.by_name(uri.unescaped_user, uri.host) if uri.user else None

    def is_device(self, uri: Uri) -> bool:
        """Whether a URI is the GRUU of a device that is registered here."""
        device = self._names.device(uri)
        return device is not None and device.contact is not None

    def is_trunk(self, uri: Uri) -> bool:
        """Whether a URI outside leads to a trunk of ours."""
        return self._trunk(uri) is not None

    def _trunk(self, uri: Uri) -> Target | None:
        """The endpoint with a static contact at the host of ``uri``. Nothing else of the URI says where it goes."""
        if not uri.host or uri.user is None:
            return None
        for aor, text in self._static_contacts().get(uri.host, ()):
            static = parse_uri(text)
            port = static.port or _DEFAULT_PORT
            if uri.port not in (None, port):
                continue
            for name in self._directory.users(aor):
                contact = self._contact(aor, text)
                if contact is not None:
                    asked = tuple(pair for pair in uri.params if pair[0] == "user")
                    params = (*static.without_params("user").params, *asked)
                    number = static.replace(user=uri.user, params=params)
                    return Target(self._directory.endpoints[name], number, contact)
        return None

    def _contact(self, aor: str, uri: str) -> Contact | None:
        found = self._registry.aor(self._technology, aor)
        return found.contacts.get(uri) if found is not None else None

    def _static_contacts(self) -> dict[str, list[tuple[str, str]]]:
        """Address of record and URI of every static contact by its host; made again when the settings change."""
        if self._revision != self._directory.revision:
            self._revision = self._directory.revision
            self._trunks = {}
            for aor in self._directory.aors.values():
                for text in aor.contact:
                    try:
                        self._trunks.setdefault(parse_uri(text).host, []).append((aor.name, text))
                    except SipError:
                        continue  # told of when it was read
        return self._trunks


def _reached(device: Device, technology: str) -> Target:
    """The contact of a device (RFC 5627 section 5.3)."""
    if device.contact is None:
        raise NoContact(EndpointId(technology, device.endpoint.name))
    return Target(device.endpoint, parse_uri(device.contact.uri), device.contact)
