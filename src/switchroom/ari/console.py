"""The web console: files that a browser loads; everything else it does over ARI, as any other client.

Who asks for a file needs no credentials: the files hold nothing of this server. They are read and compressed when
they are first asked for, so that a server whose console nobody opens pays for their names alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from aiohttp import web

from switchroom.ari.encoding import GZIP_LINES, gzip, takes_gzip
from switchroom.ari.errors import Refusal
from switchroom.ari.reply import Head, Reply

#: What browsers may get; files of other kinds, as licences, stay on the disk.
_MEDIA: Final = {
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "svg": b"image/svg+xml",
}

#: Scripts and styles are files of ours, nothing is loaded from or sent to elsewhere, and no text is ever made HTML:
#: a browser refuses whatever a value from the network could make of the page (SECURITY.md S34).
_POLICY: Final = (
    b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    b"Cross-Origin-Opener-Policy: same-origin\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\n"
    b"Permissions-Policy: camera=(), geolocation=(), microphone=(self)\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
)


#: zlib's way of saying: see what frame it has.
_ANY_FRAME: Final = 32 + zlib.MAX_WBITS


#: Bytes read at a time.
_PIECE: Final = 16_384


class _File(NamedTuple):
    """One file as it is kept: compressed, with the line that tells its version."""

    media: bytes
    compressed: bytes
    tag: bytes


class _FileReply(Reply):
    """A file may be kept by the browser, who asks each time whether it is still the same (RFC 9111 5.2.2.4)."""

    def _head_lines(self, head: Head, *, old: bool) -> bytes:
        return super()._head_lines(head, old=old).replace(b"no-cache, no-store", b"no-cache", 1)


class Console:
    """The files of the console; ``prefix`` is http.conf's, empty or as ``/pbx``."""

    def __init__(self, prefix: str = "") -> None:
        self._top = prefix
        self._sources = {
            f"{prefix}/{'' if name == 'index.html' else name}": source
            for name, source in _listed(files("switchroom") / "console")
        }
        self._files: dict[str, _File] = {}

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request for a file; a handler for ``AriService.mount``."""
        path = request.raw_path.partition("?")[0]
        if path == self._top:  # addresses in the page are relative to the folder
            return Reply(308, headers=b"Location: %b/\r\n" % path.encode())
        if path not in self._sources:
            raise Refusal(404, "Resource not found")
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "Invalid method", b"Allow: GET,HEAD\r\n")
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _read(self._sources[path])
        lines = b"ETag: %b\r\n%b" % (file.tag, _POLICY)
        if file.tag in request.headers.get("If-None-Match", "").encode("utf-8", "surrogateescape"):
            return _FileReply(304, headers=lines)
        if takes_gzip(request.headers.get("Accept-Encoding", "")):
            return _FileReply(200, file.compressed, lines + GZIP_LINES, content_type=file.media)
        content = zlib.decompress(file.compressed, _ANY_FRAME)
        return _FileReply(200, content, lines + b"Vary: Accept-Encoding\r\n", content_type=file.media)


def _listed(folder: Traversable, below: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _listed(entry, f"{below}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _MEDIA:
            yield below + entry.name, entry


def _read(source: Traversable) -> _File:
    """A piece at a time: what is read in one would not be given back to the system."""
    digest = sha256()

    def pieces() -> Iterator[bytes]:
        with source.open("rb") as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
                yield piece

    compressed = gzip(pieces(), zlib.Z_BEST_COMPRESSION)
    # Weak: the same version is sent with and without compression (RFC 9110 8.8.1).
    return _File(_MEDIA[source.name.rpartition(".")[2]], compressed, b'W/"%b"' % digest.hexdigest()[:20].encode())
