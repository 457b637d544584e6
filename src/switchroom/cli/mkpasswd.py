"""``switchroom mkpasswd``: a hash for ``password`` of ari.conf, with ``password_format = crypt``."""

from __future__ import annotations

import sys
from pathlib import Path

from switchroom.cli.account import ask_password, read_password
from switchroom.cli.terminal import complain

#: Rounds of SHA-512: about 50 ms for each guess, ten times those of crypt(3). A server computes one hash at a time, so
#: that more would let others in its way wait; it knows a right password again without computing.
_ROUNDS = 50_000


def print_hash() -> int:
    """Asks for a password twice, or reads the first line of standard input that is no terminal; the exit status."""
    if sys.stdin.isatty():
        password = ask_password("Password: ")
        if password != ask_password("Again: "):
            return complain("these are two passwords")
    else:
        password = read_password(Path("-"))
    if not password or "\0" in password:
        return complain("a password is not empty, and has no NUL")
    from passlib.hash import sha512_crypt

    print(sha512_crypt.using(rounds=_ROUNDS).hash(password))
    return 0
