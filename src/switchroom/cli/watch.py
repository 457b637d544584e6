"""``switchroom endpoints --watch``: the endpoints, then each change."""

from __future__ import annotations

import asyncio
import secrets
import sys
from contextlib import aclosing
from typing import Any

from switchroom.cli.account import Login, find_account
from switchroom.cli.client import answers_of, escaped
from switchroom.cli.endpoints import COLOURS, name_of, print_endpoints, print_json
from switchroom.cli.listening import Broken, Listener, Opened, Subscription
from switchroom.cli.terminal import decorated, note, painted, printable

#: The state of what is not configured any more.
_GONE = "gone"


def watch_endpoints(login: Login, technology: str | None, state: str | None, *, as_json: bool) -> int:
    """Prints until it is stopped. Raises Refused when it can not go on."""
    account = find_account(login)
    with answers_of(account):
        asyncio.run(Watch(technology, state, as_json=as_json).follow(Listener(account)))
    return 0


class Watch:
    """What is known of the endpoints, and what was shown of it."""

    def __init__(self, technology: str | None, state: str | None, *, as_json: bool) -> None:
        """``technology`` in any case, ``state``: those only that are, come to be or were in it; None: all."""
        self._technology = technology
        self._state = state
        self._as_json = as_json
        self._states: dict[str, str] | None = None

    async def follow(self, listener: Listener) -> None:
        """Shows the list and then every change. Raises Refused when nothing more will come."""
        application = f"switchroom-watch-{secrets.token_hex(4)}"
        async with listener, aclosing(listener.listen(Subscription(application))) as all_heard:
            async for heard in all_heard:
                if isinstance(heard, Broken):
                    note(f"{heard.why}; connecting again in {heard.pause:.1f} s")
                elif isinstance(heard, Opened):
                    # What changes while the list is on its way follows it, and says nothing new then.
                    self._take(await listener.ask("GET", self._path()), heard)
                elif heard["type"] == "EndpointStateChange":
                    self._change(heard["endpoint"], heard["timestamp"])

    def _path(self) -> str:
        return f"/endpoints/{escaped(self._technology)}" if self._technology else "/endpoints"

    def _take(self, endpoints: list[dict[str, Any]], opened: Opened) -> None:
        if self._states is None:
            self._states = {name_of(each): each["state"] for each in endpoints}
            shown = [each for each in endpoints if self._state in (None, each["state"])]
            if self._as_json:
                print_json(shown)
            else:
                print_endpoints(shown)
            sys.stdout.flush()
            return
        if opened.again:
            note("connected again")
        for name in self._states.keys() - {name_of(each) for each in endpoints}:
            technology, _, resource = name.partition("/")
            self._change({"technology": technology, "resource": resource, "state": _GONE, "channel_ids": []}, "")
        for endpoint in endpoints:
            self._change(endpoint, "")

    def _change(self, endpoint: dict[str, Any], timestamp: str) -> None:
        assert self._states is not None
        if self._technology and endpoint["technology"].lower() != self._technology.lower():
            return
        name, state = name_of(endpoint), endpoint["state"]
        former = self._states.get(name)
        if state == _GONE:
            del self._states[name]
        else:
            self._states[name] = state
        if former == state or self._state not in (None, state, former):
            return
        if self._as_json:
            print_json([endpoint])
        else:
            shown = painted(state, COLOURS.get(state, "")) if decorated(sys.stdout) else printable(state)
            print(f"{timestamp[11:19] or 'meanwhile'}  {printable(name)}  {former or 'new'} -> {shown}")
        sys.stdout.flush()
