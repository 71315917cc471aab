"""No wrong stack file is accepted, none ends in a traceback, and every mistake is named where it is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from infra.config.load import read_stack_file
from infra.errors import Finding, Severity
from infra.pipeline import build


def _cases() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wrong_stack_files", Path(__file__).with_name("wrong_stack_files.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CASES = _cases()
WRONG = CASES.all_wrong()


def errors_of(root: Path, stack: str) -> list[Finding]:
    written, found = read_stack_file(root, stack)
    _, findings = build(written, stack, found)
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def test_there_are_many_and_no_two_are_the_same() -> None:
    assert len(WRONG) >= 500
    assert len({(wrong.content, str(wrong.beside)) for wrong in WRONG}) > 0.98 * len(WRONG)


@pytest.mark.parametrize("base", CASES.bases())
def test_the_files_that_they_are_made_of_are_right(base: str, tmp_path: Path) -> None:
    (tmp_path / CASES.FILE).write_text(CASES.bases()[base], encoding="utf-8")
    assert errors_of(tmp_path, CASES.NAME) == []


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.name for wrong in WRONG])
def test_a_wrong_stack_file_is_refused_where_it_is_wrong(wrong: object, tmp_path: Path) -> None:
    assert isinstance(wrong, CASES.Wrong)
    for name, content in wrong.beside.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / CASES.FILE).write_bytes(wrong.content)
    errors = errors_of(tmp_path, CASES.NAME)
    assert errors, "it was accepted"
    assert any(wrong.at in error.path for error in errors), [str(error) for error in errors]
    assert all(error.fix and error.problem for error in errors)
