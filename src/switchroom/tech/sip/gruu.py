"""GRUUs: URIs that mean one device of an address of record, wherever it is (RFC 5627).

The public one is the address of record and the device's instance. The temporary one tells nobody but us which device it
means: that is sealed within it, so that nothing is remembered of those that were given out.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from hashlib import blake2s, shake_256
from hmac import compare_digest
from urllib.parse import quote, unquote

from switchroom.core.registry import Registry
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.tech.sip.directory import Directory
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.uri import Uri, escape_user

#: How the user part of a temporary GRUU begins, as in the examples of RFC 5627.
_TEMPORARY = "tgruu."

#: What the value of a URI parameter may hold beside letters and digits (RFC 3261 25.1).
_PLAIN = "[]/:&+$-_.!~*'()"

#: Bytes of a temporary GRUU: what makes it another each time, which registration it is of, and the seal.
_NONCE = 8
_BINDING = 8
_SEAL = 10

#: Names are filled up to a multiple of this, so that the length tells little.
_BLOCK = 16


class Gruus:
    """The GRUUs of the addresses of record of one technology."""

    def __init__(
        self, technology: str, directory: Directory, registry: Registry, secret: bytes, token: Callable[[], str]
    ) -> None:
        """``secret`` seals temporary GRUUs, ``token`` makes each another."""
        self._technology = technology
        self._directory = directory
        self._registry = registry
        self._token = token
        self._hiding = blake2s(b"GRUU, hiding", key=secret).digest()
        self._sealing = blake2s(b"GRUU, sealing", key=secret).digest()

    def given(self, to: Uri, contact: Contact) -> dict[str, str]:
        """The parameters of a Contact in the answer to a REGISTER for ``to`` (section 5.1); none without instance."""
        if not contact.instance:
            return {}
        user = to.user or ""
        if self._named(to) != contact.aor:
            user = escape_user(contact.aor)  # registered by the name of the credentials
        home = Uri(to.scheme, user, None, to.host, to.port)
        instance = quote(_bare(contact.instance), safe=_PLAIN, errors="surrogateescape")
        return {
            "pub-gruu": str(home.replace(params=(("gr", instance),))),
            "temp-gruu": str(home.replace(user=self._seal(contact), params=(("gr", None),))),
        }

    def aor(self, uri: Uri) -> str | None:
        """The address of record that a GRUU of ours is of, whether the device is there or not; None for any other URI.

        A temporary GRUU that was given before a restart is none of ours any more.
        """
        instance = uri.param("gr")
        if instance is None:
            return None
        if instance:
            return self._named(uri)
        opened = self._open(uri.user or "")
        return opened[0] if opened is not None else None

    def find(self, uri: Uri) -> Contact | None:
        """The contact that reaches the device a GRUU means, the latest that is not known to be dead; None when the
        device is not registered, when a temporary GRUU has ended (section 3.1.2: the device registered under another
        Call-ID since), or when it is no GRUU of ours.
        """
        instance = uri.param("gr")
        if instance is None:
            return None
        if instance:
            name = self._named(uri)
            wanted = unquote(instance, errors="surrogateescape").lower()
            found = [c for c in self._contacts(name) if c.instance and _bare(c.instance).lower() == wanted]
        else:
            opened = self._open(uri.user or "")
            if opened is None:
                return None
            name, binding = opened
            found = [c for c in self._contacts(name) if c.instance and self._binding(c) == binding]
        return max(found, key=lambda c: (c.status is not ContactStatus.UNREACHABLE, c.registered), default=None)

    def _contacts(self, aor: str | None) -> list[Contact]:
        return list(self._registry.contacts(self._technology, aor)) if aor is not None else []

    def _named(self, uri: Uri) -> str | None:
        """The address of record that user and host of a URI name (as the registrar reads To)."""
        try:
            user, aors = uri.unescaped_user, self._directory.aors
        except SipError:
            return None
        alias = self._directory.settings.domain_aliases.get(uri.host, "")
        return next((name for name in (f"{user}@{uri.host}", f"{user}@{alias}", user) if name in aors), None)

    # ---- temporary ones

    def _seal(self, contact: Contact) -> str:
        name = contact.aor.encode("utf-8", "surrogateescape")
        plain = self._binding(contact) + name + bytes(-len(name) % _BLOCK)
        nonce = blake2s(self._token().encode(), digest_size=_NONCE).digest()
        box = nonce + self._hide(nonce, plain)
        return _TEMPORARY + urlsafe_b64encode(box + self._mark(box)).decode().rstrip("=")

    def _open(self, user: str) -> tuple[str, bytes] | None:
        """Address of record and registration; None for what we have not sealed."""
        text = user.removeprefix(_TEMPORARY)
        if text == user or not text.isascii():
            return None
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except Error:
            return None
        box, mark = data[:-_SEAL], data[-_SEAL:]
        if len(box) < _NONCE + _BINDING or not compare_digest(mark, self._mark(box)):
            return None
        plain = self._hide(box[:_NONCE], box[_NONCE:])
        return plain[_BINDING:].rstrip(b"\0").decode("utf-8", "surrogateescape"), plain[:_BINDING]

    def _hide(self, nonce: bytes, data: bytes) -> bytes:
        """Hides, and shows again: the data and a key stream of their own, exclusive or."""
        stream = shake_256(self._hiding + nonce).digest(len(data))
        return (int.from_bytes(data) ^ int.from_bytes(stream)).to_bytes(len(data))

    def _mark(self, box: bytes) -> bytes:
        return blake2s(box, key=self._sealing, digest_size=_SEAL).digest()

    def _binding(self, contact: Contact) -> bytes:
        """Which device, and under which Call-ID it registered."""
        text = f"{contact.instance}\n{contact.call_id}".encode("utf-8", "surrogateescape")
        return blake2s(text, key=self._sealing, digest_size=_BINDING, person=b"binding").digest()


def _bare(instance: str) -> str:
    """Without the angle brackets that it is registered with."""
    return instance.removeprefix("<").removesuffix(">")
