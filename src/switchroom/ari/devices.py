"""Device states: those of endpoints, derived; and those clients set, named ``Stasis:``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchroom.ari.errors import Refusal
from switchroom.ari.limits import DEVICE_NAME_BYTES, DEVICES
from switchroom.ari.reply import Reply, encode
from switchroom.core.registry import Registry
from switchroom.model.endpoint import DeviceUse, Endpoint, EndpointState
from switchroom.model.errors import InvalidParameter, Overloaded

if TYPE_CHECKING:
    from switchroom.ari.call import Call

STATES = (
    "NOT_INUSE",
    "INUSE",
    "BUSY",
    "INVALID",
    "UNAVAILABLE",
    "RINGING",
    "RINGINUSE",
    "ONHOLD",
)

_CONTROLLED = "stasis:"

_OF_ENDPOINT = {
    EndpointState.ONLINE: "NOT_INUSE",
    EndpointState.OFFLINE: "UNAVAILABLE",
    EndpointState.UNKNOWN: "INVALID",
}


def device_state(endpoint: Endpoint, use: DeviceUse | None) -> str:
    """An endpoint's state as a device: what its channels make of it, or when it has none whether it is online."""
    return use.value if use is not None else _OF_ENDPOINT[endpoint.state]


class Devices:
    """States by device name. ``Stasis:`` matches in any case, the rest of a name exactly."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._controlled: dict[str, str] = {}

    def controlled(self) -> dict[str, str]:
        """Name to state of the devices that clients set, sorted."""
        return dict(sorted(self._controlled.items()))

    def state(self, name: str) -> str:
        """Any device's state: one nobody set is ``UNKNOWN``, one that is no endpoint ``INVALID``."""
        if name[: len(_CONTROLLED)].lower() == _CONTROLLED:
            return self._controlled.get(_key(name), "UNKNOWN")
        technology, _, resource = name.partition("/")
        endpoint = self._registry.get(technology, resource)
        return device_state(endpoint, self._registry.use(endpoint.id)) if endpoint is not None else "INVALID"

    def set(self, name: str, state: str) -> None:
        """Sets the state of a device; Overloaded when there are too many."""
        key = _key(name)
        if key not in self._controlled and len(self._controlled) >= DEVICES:
            raise Overloaded("Too many devices")
        self._controlled[key] = state

    def forget(self, name: str) -> bool:
        """Forgets a device; whether it was known."""
        return self._controlled.pop(_key(name), None) is not None


def _key(name: str) -> str:
    return f"Stasis:{name[len(_CONTROLLED) :]}"


# ---- operations


async def list_devices(call: Call) -> Reply:
    devices = call.services.devices.controlled()
    return Reply(200, encode([{"name": name, "state": state} for name, state in devices.items()]))


async def get_device(call: Call) -> Reply:
    name = call.path[0]
    return Reply(200, encode({"name": name, "state": call.services.devices.state(name)}))


async def update_device(call: Call) -> Reply:
    name = _controlled_name(call)
    state = (call.text("deviceState") or "").upper()
    if state not in STATES and state != "UNKNOWN":
        raise InvalidParameter("Unknown device state")
    services = call.services
    before = services.devices.state(name)
    services.devices.set(name, state)
    if state != before:
        services.applications.device_changed(_key(name), state, services.clock.wall())
    return Reply(204)


async def delete_device(call: Call) -> Reply:
    """Forgetting what nobody knows is done already."""
    name = _controlled_name(call)
    if call.services.devices.forget(name):
        call.services.applications.device_changed(_key(name), "UNKNOWN", call.services.clock.wall())
    return Reply(204)


def _controlled_name(call: Call) -> str:
    name = call.path[0]
    if name[: len(_CONTROLLED)].lower() != _CONTROLLED:
        raise Refusal(409, "Uncontrolled device specified")
    if len(name) == len(_CONTROLLED):
        raise Refusal(404, "Device name is missing")
    if "\0" in name or len(name.encode()) > DEVICE_NAME_BYTES:
        raise InvalidParameter("A device name is at most 256 bytes without NUL")
    return name
