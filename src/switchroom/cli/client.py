"""A running server's ARI over HTTP."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from switchroom.cli.account import Account, Login, find_account
from switchroom.cli.terminal import Refused
from switchroom.cli.trouble import denied, unreachable

#: Seconds the server may take for one answer.
PATIENCE = 30.0

#: Bytes of an answer that are read: far beyond a list of 100,000 endpoints.
_ANSWER_BYTES = 1 << 28


def escaped(segment: str) -> str:
    """A name as one segment of a path."""
    return quote(segment, safe="")


class Server:
    """One connection for all that is asked; it is made when it is needed, and again when the server closed it."""

    def __init__(self, account: Account, patience: float | None = None) -> None:
        """``patience``: seconds for an answer, PATIENCE unless given. Raises Refused or OSError for ``ca_file``."""
        within = PATIENCE if patience is None else patience
        self.account = account
        parts = urlsplit(account.url)
        assert parts.hostname is not None
        #: Path of ARI.
        self.root = root_of(account)
        if parts.scheme == "https":
            self._connection: HTTPConnection = HTTPSConnection(
                parts.hostname, parts.port, timeout=within, context=tls_context(account)
            )
        else:
            self._connection = HTTPConnection(parts.hostname, parts.port, timeout=within)
        self._headers = {"Authorization": authorization(account)}

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON of the answer, None when it has none.

        Args:
            path: below ``/ari``, escaped.
            query: parameters; those that are None or empty are left out.
            body: parameters sent as JSON, which no log on the way shows.

        Raises:
            Refused: the server did not do it; Unreachable when it may not even have heard of it.
        """
        response, answer = self._exchange(method, path, query, body)
        return understood(self.account, response.status, answer)

    def ask_list(self, path: str, query: Mapping[str, str | int | None] | None = None) -> list[dict[str, Any]]:
        """As ``ask``, for what is a list."""
        found = self.ask("GET", path, query)
        if not isinstance(found, list):
            raise TypeError("no list")
        return found

    def order(self, method: str, path: str, body: Mapping[str, Any]) -> str:
        """As ``ask``, for what is accepted now and done later: the path where it can be followed, empty without one."""
        response, answer = self._exchange(method, path, None, body)
        understood(self.account, response.status, answer)
        return response.headers.get("Location", "")

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str | int | None] | None, body: Mapping[str, Any] | None
    ) -> tuple[HTTPResponse, bytes]:
        chosen = {name: value for name, value in (query or {}).items() if value}
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        target = self.root + path + (f"?{urlencode(chosen)}" if chosen else "")
        while True:
            used = self._connection.sock is not None
            try:
                self._connection.request(method, target, body=data, headers=headers)
                response = self._connection.getresponse()
                answer = response.read(_ANSWER_BYTES)
                if response.length:
                    raise IncompleteRead(answer, response.length)
            except (OSError, HTTPException, UnicodeError) as error:
                self._connection.close()
                # A connection that was idle may have been closed meanwhile, which is no news of the server.
                if not (used and method == "GET" and isinstance(error, ConnectionError)):
                    raise unreachable(self.account.url, error) from None
            else:
                return response, answer

    def close(self) -> None:
        self._connection.close()


def understood(account: Account, status: int, answer: bytes) -> Any:
    """The JSON of an answer, None when it is empty. Raises Refused when it is no success, or not of ARI."""
    try:
        document = json.loads(answer) if answer else None
    except (ValueError, RecursionError):
        document = None
        if status < 300:
            raise Refused(f"what answers at {account.url} is no ARI: see to --url") from None
    if status >= 300:
        message = document.get("message") if isinstance(document, dict) else None
        raise denied(account.url, account.user, status, str(message) if message else None)
    return document


def root_of(account: Account) -> str:
    """The path of ARI, whether the address ends with it or not."""
    return f"{urlsplit(account.url).path.rstrip('/').removesuffix('/ari')}/ari"


def authorization(account: Account) -> str:
    """The value of the header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{account.user}:{account.password}".encode()).decode()


def tls_context(account: Account) -> ssl.SSLContext:
    """Trusts the authorities of the system, and the account's own. Raises Refused."""
    try:
        context = ssl.create_default_context()
        if account.ca_file is not None:
            context.load_verify_locations(account.ca_file)
    except ssl.SSLError:
        raise Refused(f"{account.ca_file} holds no certificate in PEM") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def answers_of(account: Account) -> Iterator[None]:
    """Whatever reads answers goes here: one that lacks what ARI says it has, or has something else, is a Refused."""
    try:
        yield
    except (LookupError, TypeError, AttributeError) as odd:
        text = f"an answer of {account.url} is not as ARI has it ({type(odd).__name__}: {odd}): is it another server?"
        raise Refused(text) from odd


def work_with(login: Login, work: Callable[[Server], int]) -> int:
    """Does ``work`` with the server that ``login`` names; its exit status. Raises Refused."""
    account = find_account(login)
    with closing(Server(account)) as server, answers_of(account):
        return work(server)
