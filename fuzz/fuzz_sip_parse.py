"""Coverage-guided fuzzing of the SIP kernel with atheris: any bytes are parsed, or SipError."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

with atheris.instrument_imports(include=["switchroom.wire.sip"]):
    from unit.wire.sip.test_fuzz import REGISTER, explore


def main() -> None:
    """Runs until something breaks or libFuzzer's own arguments end it; given a file, plays that file only."""
    corpus = ROOT / ".cache" / "fuzz" / "sip"
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "register").write_bytes(REGISTER)
    played_again = any(not argument.startswith("-") for argument in sys.argv[1:])
    atheris.Setup(sys.argv if played_again else [*sys.argv, str(corpus)], explore)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
