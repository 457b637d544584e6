"""The files of a database belong to one server and to nobody else: modes, and a lock.

Files are 0600, a folder made here is 0700 (SECURITY.md S42); a folder that was there keeps its mode, for it may
hold what is not ours. The lock is the kernel's, so that it ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from switchroom.core.storage import StoreUnavailable

#: What SQLite puts beside the database, with the database's mode.
_BESIDE = ("-wal", "-shm")


class Ownership:
    """Exclusive use of a database file, until ``release``."""

    def __init__(self, path: Path) -> None:
        """Takes the file, and makes it, empty, when there is none.

        Raises:
            StoreUnavailable: another server has it, it can not be made, or it is not whole.
        """
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = path.with_name(path.name + ".lock")
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{error.filename or path}: {error.strerror}") from None
        try:
            os.fchmod(self._lock, 0o600)
            self._take()
            self._check_file()
        except OSError as error:
            os.close(self._lock)
            raise StoreUnavailable(f"{error.filename or path}: {error.strerror}") from None
        except BaseException:
            os.close(self._lock)
            raise

    def confirm(self) -> None:
        """Notes in the lock which process serves the file; from now on it may not be empty."""
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        os.close(self._lock)

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            by = f"process {owner}" if owner else "another process"
            raise StoreUnavailable(f"{self._path}: in use by {by}") from None

    def _check_file(self) -> None:
        """SQLite would take an empty file for a new database and throw the log beside it away: that is refused.

        A new file is made with its mode before SQLite sees it, so that it is never readable by others.
        """
        log = Path(f"{self._path}-wal")
        logged = log.exists() and log.stat().st_size > 0
        if not self._path.exists():
            if logged:
                raise StoreUnavailable(f"{self._path}: missing, but not the log that belongs to it, {log.name}")
            os.ftruncate(self._lock, 0)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
            folder = os.open(self._path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        elif not self._path.stat().st_size and (logged or os.fstat(self._lock).st_size):
            raise StoreUnavailable(f"{self._path}: empty, though it was in use; restore it, or remove it to begin anew")
        for suffix in ("", *_BESIDE):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").chmod(0o600)
