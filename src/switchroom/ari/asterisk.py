"""The operations on the server itself: is it there, and what is it."""

from __future__ import annotations

import os
import platform
from typing import Any

import switchroom
from switchroom.ari.call import Call
from switchroom.ari.render import timestamp
from switchroom.ari.reply import Reply, encode


async def ping(call: Call) -> Reply:
    services = call.services
    return Reply(
        200,
        encode({"ping": "pong", "timestamp": timestamp(services.clock.wall()), "asterisk_id": services.entity_id}),
    )


async def info(call: Call) -> Reply:
    """``only`` names sections, in any case; names that are none are ignored."""
    sections = _sections(call)
    only = call.values("only")
    if only is not None:
        wanted = {name.strip().lower() for name in only}
        sections = {name: section for name, section in sections.items() if name in wanted}
    return Reply(200, encode(sections))


def _sections(call: Call) -> dict[str, dict[str, Any]]:
    started = timestamp(call.services.started)
    reloaded = timestamp(call.services.objects.last_reload or call.services.started)
    system = platform.uname()
    return {
        "build": {
            "os": system.system,
            "kernel": system.release,
            "machine": system.machine,
            "options": f"Python {platform.python_version()}",
            "date": "",
            "user": "",
        },
        "system": {"version": f"Switchroom {switchroom.__version__}", "entity_id": call.services.entity_id},
        "config": {
            "name": "",
            "default_language": "en",
            "setid": {"user": str(os.getuid()), "group": str(os.getgid())},
        },
        "status": {"startup_time": started, "last_reload_time": reloaded},
    }
