"""The operations on the configuration: objects made while the server runs, and files that are read again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from switchroom.ari.errors import Refusal
from switchroom.ari.reply import Reply, encode
from switchroom.core.configuration import Field

if TYPE_CHECKING:
    from switchroom.ari.call import Call

_JSON = "application/json"


async def get_object(call: Call) -> Reply:
    return _object(call, call.services.objects.read(*_path(call)))


async def update_object(call: Call) -> Reply:
    """Makes the object when it does not exist."""
    if call.body and call.media_type != _JSON:
        # Taken for no fields at all, it would make an object nobody meant.
        raise Refusal(400, "The fields must come as JSON, with Content-Type: application/json")
    return _object(call, await call.services.objects.write(*_path(call), _fields(call.object("fields"))))


async def delete_object(call: Call) -> Reply:
    await call.services.objects.delete(*_path(call))
    return Reply(204)


async def reload(call: Call) -> Reply:
    return Reply(200, encode(await call.services.objects.reload()))


def _path(call: Call) -> tuple[str, str, str]:
    config_class, object_type, object_id = call.path
    return config_class, object_type, object_id


def _fields(given: Any) -> list[tuple[str, str]]:
    """``fields``, absent or an array of objects with the strings ``attribute`` and ``value``."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise Refusal(400, "fields must be a list of objects with attribute and value")
    return [(_string(item, "attribute"), _string(item, "value")) for item in given]


def _string(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str):
        raise Refusal(400, f"Each of fields must be an object with the string {key}")
    return value


def _object(call: Call, fields: Iterable[Field]) -> Reply:
    """Secrets are for those who could change them."""
    hidden = call.user.read_only
    return Reply(
        200,
        encode(
            [
                {"attribute": field.attribute, "value": "" if hidden and field.secret else field.value}
                for field in fields
            ]
        ),
    )
