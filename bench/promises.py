"""The figures that the accuracy report promises, over all logged starts."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from bench.comparison import TERMS, Compared, compared
from bench.recorded import FILES, read

MEDIAN_AT_MOST: Final = 0.03
LARGEST_AT_MOST: Final = 0.15
STARTED_CALLED_NO_AT_MOST: Final = 0.05
COVERAGE_AT_LEAST: Final = 0.85


@dataclass(frozen=True)
class Summary:
    """The figures that promises are made of. Shares are between 0 and 1."""

    rows: Sequence[Compared]

    def known(self, file: str | None = None) -> list[Compared]:
        """Return the starts whose every input is known, of one file or of all."""
        return [row for row in self.rows if row.is_known and (file is None or row.start.file == file)]

    def pool_errors(self, file: str | None = None) -> list[float]:
        """Return the relative errors of the pool where every input is known, smallest first, without their signs."""
        return sorted(abs(row.pool_error) for row in self.known(file) if row.pool_error is not None)

    def source_errors(self, file: str | None = None) -> list[float]:
        """Return each source's median error, smallest first: a long series of one machine counts once."""
        found: dict[str, list[float]] = {}
        for row in self.known(file):
            if row.pool_error is not None:
                found.setdefault(row.start.source, []).append(abs(row.pool_error))
        return sorted(statistics.median(errors) for errors in found.values())

    def coverage(self, terms: Sequence[str], rows: Iterable[Compared]) -> tuple[int, int]:
        """Return how many logged figures of some terms lie inside the predicted bounds, and how many there are."""
        inside = [figure.is_inside for row in rows for figure in row.figures if figure.term in terms]
        return sum(inside), len(inside)

    @cached_property
    def confusion(self) -> Counter[tuple[str, str]]:
        """How often each verdict met each outcome, over all starts that can be computed."""
        return Counter((row.verdict, row.start.outcome or "not stated") for row in self.rows if row.verdict is not None)

    @property
    def failed_called_fits(self) -> list[str]:
        """The failed starts that the plan would have let pass."""
        return [row.start.id for row in self.rows if row.start.has_failed and row.verdict == "fits"]

    @property
    def started_called_no(self) -> list[str]:
        """The real starts that the plan would have refused."""
        return [row.start.id for row in self.rows if row.start.outcome == "started" and row.verdict == "no"]

    def broken_promises(self) -> list[str]:
        """Return what doesn't hold, in words; empty when everything does."""
        errors = self.pool_errors()
        started = sum(count for (verdict, outcome), count in self.confusion.items() if outcome == "started")
        inside, of = self.coverage(TERMS, self.known())
        broken = []
        if not errors or statistics.median(errors) > MEDIAN_AT_MOST:
            broken.append(f"the median error of the pool is above {MEDIAN_AT_MOST:.0%}")
        if errors and errors[-1] > LARGEST_AT_MOST:
            broken.append(f"the largest error of the pool is {errors[-1]:.1%}, above {LARGEST_AT_MOST:.0%}")
        if inside < COVERAGE_AT_LEAST * of:
            broken.append(f"{inside} of {of} logged figures are inside their bounds, less than {COVERAGE_AT_LEAST:.0%}")
        if self.failed_called_fits:
            broken.append(f"failed starts are called fits: {', '.join(self.failed_called_fits)}")
        if len(self.started_called_no) > STARTED_CALLED_NO_AT_MOST * started:
            broken.append(f"real starts are called no: {', '.join(self.started_called_no)}")
        return broken


def summary() -> Summary:
    """Predict every start of every file."""
    return Summary([compared(start) for file in FILES for start in read(file)])
