"""What can be wrong with a declaration, and the one exception that carries it.

Exception
└── StackError      one or more findings of severity error; nothing was created
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How a finding ends a run: an error stops it, a warning is shown, a notice informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing a reader of the declaration must know.

    `path` is the key in the stack file (`hearth:models.coder.context`), `problem` says what is wrong with
    the numbers seen, `fix` is the edit that mends it; both without a full stop.
    """

    path: str
    problem: str
    fix: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.fix[:1].upper()}{self.fix[1:]}."


class StackError(Exception):
    """The declaration can't be deployed; `findings` holds every reason at once."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(set(findings)))
        super().__init__("\n".join(str(finding) for finding in self.findings))


def raise_errors(findings: Iterable[Finding]) -> None:
    """Raise StackError when any finding is an error; warnings and notices pass."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise StackError(errors)
