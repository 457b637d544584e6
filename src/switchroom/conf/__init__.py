"""Asterisk's configuration files, read into frozen settings; file and line in every complaint."""

from switchroom.conf.directory import read_directory
from switchroom.conf.problems import Problem, Severity

__all__ = ["Problem", "Severity", "read_directory"]
