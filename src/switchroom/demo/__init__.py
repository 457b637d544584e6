"""A sample configuration and two phones that answer, to see Switchroom at work without any phone at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: The sample configuration directory.
CONFIGURATION: Final = Path(__file__).parent / "config"

#: The phones of the demo and their passwords, as in the sample's pjsip.conf.
PHONES: Final = {"alice": "wonderland", "bob": "builder"}
