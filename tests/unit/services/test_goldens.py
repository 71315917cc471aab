"""What is rendered is what was reviewed: a difference here is a change to somebody's production."""

from __future__ import annotations

import pytest

from tests.golden_files import CASES, GOLDEN, rendered


@pytest.mark.parametrize("case", CASES)
def test_rendered_files_are_the_golden_ones(case: str) -> None:
    made = rendered(case)
    folder = GOLDEN / case
    kept = {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.is_file()
    }
    assert sorted(made) == sorted(kept), "run `make golden` and review the difference"
    assert made == kept


def test_no_golden_is_left_without_a_case() -> None:
    assert {folder.name for folder in GOLDEN.iterdir()} == set(CASES)
