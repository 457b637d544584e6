"""Threat S42: what is at rest is for the server's eyes alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchroom.core.storage import StoreUnavailable
from switchroom.model.record import MessageRecord
from switchroom.store.sqlite import SqliteStore


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def modes(folder: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in folder.iterdir()}


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o666)


async def kept(folder: Path) -> SqliteStore:
    store = SqliteStore.open(folder)
    await store.journal.accept(
        MessageRecord(id="1", technology="PJSIP", destination="a", sender="b", body="secret", created=1.0, expires=2.0)
    )
    return store


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
async def test_files_and_folder_are_made_for_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    store = await kept(folder)
    assert modes(folder) == dict.fromkeys(
        ("switchroom.db", "switchroom.db-wal", "switchroom.db-shm", "switchroom.db.lock"), 0o600
    )
    assert mode(folder) == 0o700
    await store.close()
    assert mode(folder / "switchroom.db") == 0o600


async def test_files_that_others_can_read_are_closed_to_them(tmp_path: Path) -> None:
    store = await kept(tmp_path)
    await store.close()
    open_to_all(tmp_path)
    store = SqliteStore.open(tmp_path)
    assert set(modes(tmp_path).values()) == {0o600}
    await store.close()


async def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """It may hold what is not ours, and others may have to reach that."""
    open_to_all(tmp_path)
    store = await kept(tmp_path)
    assert mode(tmp_path) == 0o755
    await store.close()


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (tmp_path / "switchroom.db.lock").symlink_to(victim)
    with pytest.raises(StoreUnavailable, match=r"switchroom\.db\.lock"):
        SqliteStore.open(tmp_path)
    assert victim.read_text() == "theirs"
