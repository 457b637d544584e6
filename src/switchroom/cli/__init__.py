"""The ``switchroom`` command. Errors are one line on standard error and exit status 2, never a traceback."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from switchroom.cli.terminal import INTERRUPTED, UNHEARD, Refused, complain, reason


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point; exits with the command's status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding lacks must not end a command
    try:
        status = _execute(words)
        sys.stdout.flush()
    except Refused as refused:
        status = complain(str(refused))
    except BrokenPipeError:
        # Whoever read the output has enough. What is left of it must not be tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = UNHEARD
    except OSError as error:
        status = complain(reason(error))
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def _execute(words: list[str]) -> int:
    folders = plain_run(words)
    if folders is not None:
        _load_structlog_alone()
        from switchroom.cli.run import run_server

        # Nothing that is read now ends before the server has started; it turns the collector on again.
        gc.disable()
        return run_server(*folders)
    return _interpret(words)


def plain_run(words: list[str]) -> tuple[Path, Path | None] | None:
    """The folders of ``run --config DIR [--state DIR]``; None for every other command line.

    The server is started without the library that reads command lines, whose memory (12 MB) it would keep
    for as long as it runs. Whatever is not plainly this command goes to that library.
    """
    if words[:1] != ["run"] or len(words) not in (3, 5):
        return None
    options = dict(zip(words[1::2], words[2::2], strict=True))
    if not {"--config"} <= set(options) <= {"--config", "--state"} or len(options) * 2 + 1 != len(words):
        return None
    state = options.get("--state")
    return Path(options["--config"]), Path(state) if state is not None else None


def _load_structlog_alone() -> None:
    """Without rich, which it loads where it is there, to colour tracebacks: 5 MB for as long as the server runs."""
    if "structlog" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]
        import structlog  # noqa: F401

        del sys.modules["rich"]


def _interpret(words: list[str]) -> int:
    import typer

    from switchroom.cli.application import application

    try:
        status: int = application(args=words, prog_name="switchroom", standalone_mode=False)
    except typer.TyperException as misuse:
        return complain(misuse.format_message())
    except typer.Abort:
        return INTERRUPTED
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # which typer makes a status of its own, 1
            raise ended.__context__ from None
        raise
    return status
