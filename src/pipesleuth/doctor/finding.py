"""What the doctor says: a mark, what was seen, and the one sentence that repairs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipesleuth.settings import Settings


class Mark(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `repair` is empty where nothing has to be done."""

    part: str
    mark: Mark
    seen: str
    repair: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """Whom the doctor looks at; without `send_test` nothing is written anywhere."""

    settings: Settings
    now: Callable[[], datetime]
    send_test: bool = False


class Chart:
    """The findings about one part, in the order in which they were made."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.findings: list[Finding] = []

    def ok(self, seen: str) -> None:
        """It is well."""
        self.findings.append(Finding(self.part, Mark.OK, seen))

    def off(self, seen: str) -> None:
        """It is not used here."""
        self.findings.append(Finding(self.part, Mark.OFF, seen))

    def warn(self, seen: str, repair: str) -> None:
        """It works, and not as well as it could."""
        self.findings.append(Finding(self.part, Mark.WARNING, seen, repair))

    def fault(self, seen: str, repair: str) -> None:
        """It does not work."""
        self.findings.append(Finding(self.part, Mark.FAULT, seen, repair))
