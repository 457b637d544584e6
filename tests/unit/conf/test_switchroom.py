"""switchroom.conf."""

from __future__ import annotations

from switchroom.model.settings import SwitchroomSettings

from .conftest import Read


def test_all_options(read: Read) -> None:
    configuration, problems = read(
        switchroom="[general]\nstrict=yes\nfork=First\nentity_id=desk\nlog_format=json\nlog_level=debug\n"
    )
    assert problems == []
    assert configuration.switchroom == SwitchroomSettings(
        strict=True, fork="first", entity_id="desk", log_format="json", log_level="debug"
    )


def test_mistakes(read: Read) -> None:
    configuration, problems = read(switchroom="[general]\nfork=some\nfrok=all\n[extra]\n")
    assert configuration.switchroom == SwitchroomSettings()
    assert [(p.source.line, p.severity) for p in problems] == [(2, "error"), (3, "warning"), (4, "warning")]
    assert '"fork"' in problems[1].advice
