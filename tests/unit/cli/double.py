"""A server that answers as ARI does, for the commands that ask one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

#: Basic credentials of ``asterisk`` with the password ``secret``, the user whom a double knows.
AUTHORIZATION = "Basic YXN0ZXJpc2s6c2VjcmV0"


class Asked(NamedTuple):
    """One request. ``path`` is raw, ``parameters`` are those of the query."""

    method: str
    path: str
    parameters: dict[str, str]
    body: Any


class Said(NamedTuple):
    """An answer; ``document`` is JSON, bytes are sent as they are, None is no body.

    Empty bytes are a body that ends too soon, and the connection with it.
    """

    status: int
    document: Any = None
    location: str = ""


Answering = Callable[[Asked], Said]


class Double:
    """``requests``: what was asked by who knew the password."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Asked] = []


@contextmanager
def answering(answer: Answering) -> Iterator[Double]:
    """A server on a free port that gives ``answer`` to whom it knows, and 401 to others."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), json.loads(data) if data else None)
            if self.headers["Authorization"] == AUTHORIZATION:
                double.requests.append(asked)
                self._say(answer(asked))
            else:
                self._say(Said(401, {"message": "Authentication required"}))

        do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - named by http.server

        def _say(self, said: Said) -> None:
            raw = said.document
            body = b"" if raw is None else raw if isinstance(raw, bytes) else json.dumps(raw).encode()
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(body) if raw != b"" else 1))
            if said.location:
                self.send_header("Location", said.location)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = raw == b""

        def log_message(self, *given: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double = Double(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    try:
        yield double
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
