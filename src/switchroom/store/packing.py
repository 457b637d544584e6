"""Structures to bytes and back, and texts to what SQLite takes. Every ``str`` of Python comes back equal.

Texts from the network are decoded with ``surrogateescape``, so some are not valid Unicode, which neither
MessagePack nor SQLite takes. Those are rare: they are kept as bytes, every other text stays text that can be
read with any tool.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from switchroom.core.storage import StoreUnavailable
from switchroom.model.endpoint import Contact
from switchroom.model.record import MessageRecord

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode


class Packer(Generic[T]):
    """Packs values of one type. Fields a newer program added are ignored, missing ones get their default."""

    def __init__(self, packed: type[T]) -> None:
        self._type = packed
        self._decode = msgspec.msgpack.Decoder(packed).decode

    def pack(self, value: T) -> bytes:
        try:
            return _encode(value)
        except UnicodeEncodeError:
            return _encode(_texts_to_bytes(msgspec.to_builtins(value)))

    def unpack(self, packed: bytes) -> T:
        """Raises StoreUnavailable: the bytes are not what ``pack`` made."""
        try:
            try:
                return self._decode(packed)
            except msgspec.ValidationError:
                return msgspec.convert(_bytes_to_texts(msgspec.msgpack.decode(packed)), self._type)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreUnavailable(f"a damaged record: {error}") from None


_messages = Packer(MessageRecord)
_contacts = Packer(Contact)
pack_message, unpack_message = _messages.pack, _messages.unpack
unpack_contact = _contacts.unpack


def pack_contact(contact: Contact) -> bytes:
    """Without what does not survive the process: its flow, and a time on the monotonic scale."""
    return _contacts.pack(msgspec.structs.replace(contact, expires=None, flow=None))


def ended(record: MessageRecord) -> float | None:
    """When the last of a message ended, wall-clock seconds; None while something is open."""
    if not record.state.final:
        return None
    for delivery in record.deliveries:
        if not delivery.state.final:
            return None
    return record.updated or record.created


def column(text: str) -> str | bytes:
    """A text as a column's value; equal texts give equal values."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def text(value: str | bytes) -> str:
    """The text of a column's value."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def _texts_to_bytes(value: Any) -> Any:
    if isinstance(value, str):
        return column(value)
    if isinstance(value, dict):
        return {column(key): _texts_to_bytes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts_to_bytes(item) for item in value]
    return value


def _bytes_to_texts(value: Any) -> Any:
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, dict):
        return {text(key): _bytes_to_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bytes_to_texts(item) for item in value]
    return value
