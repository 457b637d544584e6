"""The configuration of a running server: what is kept, what wins, what a reload does and what it leaves alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from switchroom import configuration as live_configuration
from switchroom.conf import read_directory
from switchroom.configuration import LiveConfiguration
from switchroom.core.configuration import Reloaded
from switchroom.model.change import KINDS, SipChange
from switchroom.model.errors import (
    ConfigurationUnusable,
    InvalidParameter,
    ObjectNotFound,
    ObjectReadOnly,
    Overloaded,
)
from switchroom.model.iax2_settings import IaxSettings
from switchroom.model.settings import AriSettings, Configuration
from switchroom.model.xmpp_settings import XmppSettings
from switchroom.store.memory import MemoryStore

FILES = """\
[udp]
type=transport
bind=127.0.0.1
[alice]
type=endpoint
aors=alice
auth=alice
[alice]
type=auth
username=alice
password=x
[alice]
type=aor
max_contacts=1
"""
ARI = "[ann]\ntype=user\npassword=x\n"
SIP = "res_pjsip"


class World:
    """A configuration directory, a store, and what those who serve were told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = MemoryStore()
        self.changes: list[SipChange] = []
        self.users: list[AriSettings] = []
        self.peers: list[list[str]] = []
        self.accounts: list[list[str]] = []
        self.write(http="[general]\nenabled=yes\nbindaddr=127.0.0.1\n", ari=ARI, pjsip=FILES)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.directory / f"{name}.conf").write_text(text)

    async def start(self) -> LiveConfiguration:
        """A server starts; the one before has ended."""
        live = LiveConfiguration(read_directory(self.directory)[0], self.directory, self.store.objects)
        await live.load()
        live.serve(sip=self.changes.append, ari=self.users.append, iax=self._serve_iax, xmpp=self._serve_xmpp)
        return live

    def _serve_iax(self, settings: IaxSettings) -> None:
        self.peers.append(list(settings.peers))

    def _serve_xmpp(self, settings: XmppSettings) -> None:
        self.accounts.append(list(settings.accounts))

    def told(self) -> list[tuple[str, str, bool]]:
        """Kind, name, and whether it is there now, of each object somebody was told of."""
        changes, self.changes[:] = list(self.changes), []
        return [
            (kind, name, value is not None)
            for change in changes
            for kind in KINDS
            for name, value in getattr(change, kind).items()
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def value(live: LiveConfiguration, kind: str, name: str, attribute: str) -> str:
    return next(field.value for field in live.read(SIP, kind, name) if field.attribute == attribute)


async def test_what_is_made_is_kept_before_it_is_in_effect(world: World) -> None:
    live = await world.start()
    await live.write(SIP, "aor", "bob", [("max_contacts", "2"), ("mailboxes", "5")])
    await live.write(SIP, "aor", "bob", [("max_contacts", "3")])
    assert world.told() == [("aors", "bob", True)] * 2
    assert await world.store.objects.all() == [("res_pjsip/aor", "bob", [("mailboxes", "5"), ("max_contacts", "3")])]
    again = await world.start()
    assert await value(again, "aor", "bob", "max_contacts") == "3"
    assert await value(again, "aor", "bob", "mailboxes") == "5"
    await again.delete(SIP, "aor", "bob")
    assert world.told() == [("aors", "bob", False)]
    with pytest.raises(ObjectNotFound):
        (await world.start()).read(SIP, "aor", "bob")


async def test_what_can_not_be_kept_is_not_in_effect(world: World) -> None:
    live = await world.start()
    await live.write(SIP, "aor", "bob", [])
    world.told()
    world.store.fail("the disk is full")
    with pytest.raises(Overloaded, match="the disk is full"):
        await live.write(SIP, "aor", "carol", [])
    with pytest.raises(Overloaded, match="the disk is full"):
        await live.delete(SIP, "aor", "bob")
    assert world.told() == []
    assert live.read(SIP, "aor", "bob")
    with pytest.raises(ObjectNotFound):
        live.read(SIP, "aor", "carol")


async def test_without_sip_there_are_no_objects() -> None:
    live = LiveConfiguration(Configuration(), None, MemoryStore().objects)
    assert await live.load() is None
    with pytest.raises(ObjectNotFound, match="configClass 'res_pjsip' not found"):
        live.read(SIP, "aor", "bob")


async def test_objects_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_configuration, "MAX_OBJECTS", 2)
    live = await world.start()
    await live.write(SIP, "aor", "a", [])
    await live.write(SIP, "aor", "b", [])
    with pytest.raises(Overloaded):
        await live.write(SIP, "aor", "c", [])
    await live.write(SIP, "aor", "b", [("max_contacts", "2")])


async def test_the_files_win(world: World) -> None:
    live = await world.start()
    await live.write(SIP, "aor", "bob", [("max_contacts", "7")])
    world.write(pjsip=FILES + "[bob]\ntype=aor\nmax_contacts=1\n")
    assert (await live.reload()).problems == ['the aor "bob" was made at run time and is in pjsip.conf too, which wins']
    for current in (live, await world.start()):
        assert await value(current, "aor", "bob", "max_contacts") == "1"
        with pytest.raises(ObjectReadOnly):
            await current.write(SIP, "aor", "bob", [("max_contacts", "2")])
        with pytest.raises(ObjectReadOnly):
            await current.delete(SIP, "aor", "bob")
    world.write(pjsip=FILES)
    await live.reload()
    assert await value(live, "aor", "bob", "max_contacts") == "7"


async def test_writers_take_turns(world: World) -> None:
    live = await world.start()
    await asyncio.gather(
        *(live.write(SIP, "aor", "bob", [(name, "60")]) for name in ("default_expiration", "maximum_expiration")),
        live.reload(),
    )
    assert await value(live, "aor", "bob", "default_expiration") == "60"
    assert await value(live, "aor", "bob", "maximum_expiration") == "60"
    with pytest.raises(InvalidParameter, match="Update of object 'bob' failed"):
        await live.write(SIP, "aor", "bob", [("minimum_expiration", "61")])


# ---- reload


async def test_a_reload_tells_what_is_different_and_no_more(world: World) -> None:
    live = await world.start()
    nothing = Reloaded(added=0, changed=0, removed=0, restart_needed=[], problems=[])
    assert live.last_reload is None
    assert await live.reload() == nothing
    assert live.last_reload is not None
    assert world.told() == []
    world.write(ari="; a comment\n" + ARI)
    world.write(pjsip="; a comment\n" + FILES.replace("max_contacts=1", "max_contacts=2"))
    reloaded = await live.reload()
    assert (reloaded.added, reloaded.changed, reloaded.removed) == (0, 1, 0)
    assert world.told() == [("aors", "alice", True)]
    assert world.users == []
    assert await live.reload() == nothing


async def test_what_was_made_at_run_time_outlives_a_reload(world: World) -> None:
    live = await world.start()
    await live.write(SIP, "endpoint", "bob", [("aors", "bob")])
    world.told()
    world.write(pjsip=FILES.replace("[alice]", "[carol]"))
    reloaded = await live.reload()
    assert (reloaded.added, reloaded.changed, reloaded.removed) == (3, 0, 3)
    assert ("endpoints", "bob", False) not in world.told()
    assert live.read(SIP, "endpoint", "bob")
    await live.write(SIP, "endpoint", "bob", [("aors", "carol")])


async def test_what_a_made_object_leans_on_may_change(world: World) -> None:
    world.write(acl="[office]\npermit=10.0.0.1\n")
    live = await world.start()
    await live.write(SIP, "endpoint", "bob", [("acl", "office")])
    assert [field.value for field in live.read(SIP, "endpoint", "bob") if field.attribute == "permit"] == [
        "10.0.0.1/32"
    ]
    world.told()
    world.write(acl="[office]\npermit=10.0.0.2\n")
    await live.reload()
    assert world.told() == [("endpoints", "bob", True)]
    assert [field.value for field in live.read(SIP, "endpoint", "bob") if field.attribute == "permit"] == [
        "10.0.0.2/32"
    ]


async def test_files_that_can_not_be_used_change_nothing(world: World) -> None:
    live = await world.start()
    world.write(pjsip="[alice\n", ari="")
    with pytest.raises(ConfigurationUnusable, match=r"nothing was changed. pjsip.conf:1: error: "):
        await live.reload()
    assert (world.told(), world.users, world.peers) == ([], [], [])
    assert live.read(SIP, "endpoint", "alice")
    world.write(pjsip=FILES, ari=ARI)
    await live.reload()
    assert world.told() == []


async def test_sip_is_not_switched_by_a_reload(world: World) -> None:
    live = await world.start()
    (world.directory / "pjsip.conf").unlink()
    reloaded = await live.reload()
    assert reloaded.restart_needed == ["pjsip.conf is gone"]
    assert world.told() == []
    assert live.read(SIP, "endpoint", "alice")
    await live.write(SIP, "aor", "bob", [])
    (world.directory / "pjsip.conf").write_text(FILES)
    assert (await live.reload()).restart_needed == []


async def test_users_and_peers_of_iax2_change(world: World) -> None:
    world.write(iax="[a]\ntype=friend\nhost=dynamic\n[b]\ntype=peer\n")
    live = await world.start()
    world.write(iax="[b]\ntype=peer\nhost=dynamic\n[c]\ntype=peer\n", ari=ARI + "[bob]\ntype=user\npassword=y\n")
    reloaded = await live.reload()
    assert (reloaded.added, reloaded.changed, reloaded.removed) == (1, 1, 1)
    assert world.peers == [["b", "c"]]
    assert [list(settings.users) for settings in world.users] == [["ann", "bob"]]


async def test_accounts_of_xmpp_change(world: World) -> None:
    account = "[{0}]\ntype=client\nusername={0}@example.org\nsecret=pw\n"
    live = await world.start()
    world.write(xmpp=account.format("a") + account.format("b"))
    assert (await live.reload()).added == 2
    world.write(xmpp="\n" + account.format("b") + "status=away\n" + account.format("c"))
    reloaded = await live.reload()
    assert (reloaded.added, reloaded.changed, reloaded.removed) == (1, 1, 1)
    world.write(xmpp="; moved\n" + account.format("b") + "status=away\n" + account.format("c"))
    assert (await live.reload()).changed == 0
    (world.directory / "xmpp.conf").unlink()
    reloaded = await live.reload()
    assert (reloaded.removed, list(reloaded.restart_needed)) == (2, [])
    assert world.accounts == [["a", "b"], ["b", "c"], []]


async def test_a_large_change_comes_in_parts(world: World) -> None:
    live = await world.start()
    world.write(pjsip=FILES + "".join(f"[u{n}]\ntype=aor\n" for n in range(2 * live_configuration.SLICE + 1)))
    await live.reload()
    sizes = [len(change.aors) for change in world.changes]
    assert sizes == [live_configuration.SLICE, live_configuration.SLICE, 1]


async def test_many_problems_are_counted(world: World) -> None:
    live = await world.start()
    world.write(pjsip=FILES + "".join(f"[s{n}]\ntype=nonsense{n}\n" for n in range(150)))
    problems = (await live.reload()).problems
    assert len(problems) == live_configuration.MAX_PROBLEMS + 1
    assert problems[-1] == "and 50 more; switchroom check shows all"


async def test_a_caller_who_goes_away_leaves_no_change_half_done(world: World) -> None:
    live = await world.start()
    writing = asyncio.create_task(live.write(SIP, "aor", "bob", []))
    reloading = asyncio.create_task(live.reload())
    await asyncio.sleep(0)
    writing.cancel()
    reloading.cancel()
    await asyncio.gather(writing, reloading, return_exceptions=True)
    await live.write(SIP, "aor", "carol", [])
    assert world.told() == [("aors", "bob", True), ("aors", "carol", True)]
    assert live.last_reload is not None


async def test_an_endpoint_that_is_open_to_all_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    live = await world.start()
    await live.write(SIP, "endpoint", "bob", [("auth", "bob")])
    assert "anybody" not in capsys.readouterr().out
    await live.write(SIP, "endpoint", "bob", [("auth", "")])
    assert "anybody who writes the name of the endpoint in From is let in" in capsys.readouterr().out


PEERS = "[general]\nbindport=5070\n[a]\ntype=friend\nhost=dynamic\nsecret=x\n[b]\ntype=peer\nhost=192.0.2.1\n"


async def test_peers_of_sip_conf_change(world: World) -> None:
    world.write(sip=PEERS)
    live = await world.start()
    told: list[SipChange] = []
    live.serve(chan_sip=told.append)
    world.write(sip=PEERS.replace("secret=x", "secret=y").replace("[b]", "[c]").replace("5070", "5071"))
    reloaded = await live.reload()
    assert (reloaded.added, reloaded.changed, reloaded.removed) == (1, 1, 1)
    assert reloaded.restart_needed == ["the transport sip-udp of sip.conf"]
    assert list(live.chan_sip().peers) == ["a", "c"]
    assert [name for change in told for name in change.endpoints] == ["c", "b"]
    assert [auth.password for change in told for auth in change.auths.values() if auth is not None] == ["y", "y"]
    assert world.told() == []


async def test_sip_conf_comes_and_goes_with_a_start_alone(world: World) -> None:
    live = await world.start()
    world.write(sip=PEERS)
    assert (await live.reload()).restart_needed == ["sip.conf came"]
    assert live.chan_sip().peers == {}
    live = await world.start()
    (world.directory / "sip.conf").unlink()
    assert (await live.reload()).restart_needed == ["sip.conf is gone"]
    assert list(live.chan_sip().peers) == ["a", "b"]
