"""Coverage-guided fuzzing of the IAX2 kernel with atheris: any bytes are parsed, or FrameError; none raise."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

with atheris.instrument_imports(include=["switchroom.wire.iax2"]):
    from unit.wire.iax2.test_fuzz import REGISTRATION, explore


def main() -> None:
    """Runs until something breaks or libFuzzer's own arguments end it; given a file, plays that file only."""
    corpus = ROOT / ".cache" / "fuzz" / "iax2"
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "registration").write_bytes(REGISTRATION)
    played_again = any(not argument.startswith("-") for argument in sys.argv[1:])
    atheris.Setup(sys.argv if played_again else [*sys.argv, str(corpus)], explore)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
