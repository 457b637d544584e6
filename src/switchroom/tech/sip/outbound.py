"""Contacts and the connections they registered over (RFC 5626): who is reached how, and what ends with a connection."""

from __future__ import annotations

from collections.abc import Mapping

from switchroom.core.policy import NO_LITERAL, forbidden
from switchroom.model.endpoint import Contact, ContactStatus
from switchroom.wire.sip.events import RequestReceived
from switchroom.wire.sip.headers import NameAddr, parse_name_addr, write_params
from switchroom.wire.sip.uri import Uri


def is_direct(incoming: RequestReceived) -> bool:
    """Whether the sender is the phone itself: no proxy has put a Via before the phone's."""
    return len(incoming.request.vias_raw) == 1


def outbound_id(incoming: RequestReceived, name_addr: NameAddr, path: tuple[str, ...]) -> int:
    """The reg-id of a Contact, a positive number below 2**31 (RFC 5626 section 4.2), where outbound holds (section 6):
    the phone has an instance and knows outbound, and so does the proxy next to it. Else 0.

    Raises:
        SipError: a Path that can not be understood.
    """
    written = name_addr.params.get("reg-id") or ""
    if not (written.isascii() and written.isdigit() and len(written) <= 10 and name_addr.params.get("+sip.instance")):
        return 0
    if "outbound" not in (tag.lower() for tag in incoming.request.all("supported")):
        return 0
    if not first_hop_knows(incoming, path):
        return 0
    number = int(written)
    return number if number < 2**31 else 0


def first_hop_knows(incoming: RequestReceived, path: tuple[str, ...]) -> bool:
    """Whether the proxy next to the phone keeps its flow, or there is none.

    Raises:
        SipError: a Path that can not be understood.
    """
    return parse_name_addr(path[-1]).uri.param("ob") is not None if path else is_direct(incoming)


def replaced_by(contacts: Mapping[str, Contact], newer: Contact) -> list[str]:
    """What the same phone had registered as the same flow before (RFC 5626 section 6): it came back elsewhere."""
    if not newer.reg_id:
        return []
    return [
        older.uri
        for older in contacts.values()
        if older.reg_id == newer.reg_id and older.instance == newer.instance and older.uri != newer.uri
    ]


def is_tied(incoming: RequestReceived, uri: Uri, *, outbound: bool) -> bool:
    """Whether a contact lives and dies with its connection, because nobody can be expected to listen at its address.

    So with WebSocket, and with TLS, as phones have no certificate of their own. With TCP when the phone uses outbound,
    when its address is not the one it comes from (a NAT), or is this very end of the connection. A port of its own, or
    the name of a host, says that it listens there. What comes through a proxy is the proxy's connection.
    """
    flow = incoming.flow
    if not flow.reliable or not is_direct(incoming):
        return False
    if flow.transport != "tcp" or outbound or uri.param("ob") is not None or uri.host.endswith(".invalid"):
        return True
    host = uri.host.strip("[]")
    if forbidden(host, loopback=True) == NO_LITERAL:
        return False
    return host != flow.host or uri.port == flow.port


def one_per_phone(contacts: list[Contact]) -> list[Contact]:
    """Of several flows of one phone one alone (RFC 5626 section 7), as it is to get one copy: the latest of those that
    are not known to be dead.
    """
    if not any(contact.reg_id for contact in contacts):
        return contacts
    latest: dict[str, Contact] = {}
    for contact in contacts:
        key = contact.instance if contact.reg_id else contact.uri
        other = latest.get(key)
        if other is None or _preference(other) <= _preference(contact):
            latest[key] = contact
    return list(latest.values())


def _preference(contact: Contact) -> tuple[bool, float]:
    return contact.status is not ContactStatus.UNREACHABLE, contact.registered


def parameters(contact: Contact, gruus: Mapping[str, str]) -> str:
    """What the answer to a REGISTER says of a contact behind its URI and expiry; ``gruus`` are its GRUUs, if any."""
    found: dict[str, str | None] = {"reg-id": str(contact.reg_id)} if contact.reg_id else {}
    if contact.reg_id or gruus:
        found["+sip.instance"] = contact.instance
    found.update(gruus)
    return write_params(found) if found else ""
