"""Predict every logged start and compare: `make accuracy` writes docs/accuracy.md and ends with 1 on a broken promise.

Nothing here measures anything: the same files give the same page.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Final

from bench.accuracy_page import page
from bench.promises import summary

PAGE: Final = Path(__file__).parents[1] / "docs" / "accuracy.md"


def main() -> None:
    """Write the page; end with 1 and say why when a promise doesn't hold."""
    found = summary()
    PAGE.write_text(page(found), encoding="utf-8")
    errors = found.pool_errors()
    print(
        f"{len(errors)} starts with every input known: median error {statistics.median(errors):.2%}, largest {errors[-1]:.1%}"
    )
    broken = found.broken_promises()
    for promise in broken:
        print(f"broken: {promise}", file=sys.stderr)
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
