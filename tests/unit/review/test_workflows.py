"""Pipelines people copy: right by their schemas, and calling nothing that isn't there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.cli import _ALONE, _COMMANDS
from tests.golden_files import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / "docs" / "examples" / "gitlab-ci.yml"
MAKEFILE = (ROOT / "Makefile").read_text()


def problems(schema: str, *files: Path) -> str:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def test_workflows_are_right_by_their_schema() -> None:
    assert [file.stem for file in WORKFLOWS] == ["drift", "preview", "up"]
    assert problems("vendor.github-workflows", *WORKFLOWS) == ""


def test_the_example_for_gitlab_is_right_by_its_schema() -> None:
    assert problems("vendor.gitlab-ci", GITLAB) == ""


def test_a_wrong_workflow_is_found(tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "up.yml").read_text()
    (tmp_path / "up.yml").write_text(text.replace("runs-on:", "run-on:"))
    assert "run-on" in problems("vendor.github-workflows", tmp_path / "up.yml")


@pytest.mark.parametrize("file", [*WORKFLOWS, GITLAB], ids=lambda file: file.stem)
def test_what_a_pipeline_calls_is_there(file: Path) -> None:
    text = file.read_text()
    targets = re.findall(r"(?:run: |- )make ([a-z-]+)", text)
    assert targets
    for target in targets:
        assert re.search(rf"^{target}: ##", MAKEFILE, re.MULTILINE), target
    for name in re.findall(r"\b(?:STACK|PLAN|MARKDOWN)=", text):
        assert f"$({name.rstrip('=')})" in MAKEFILE
    assert set(re.findall(r"python -m infra ([a-z]+)", text)) <= {*_ALONE, *_COMMANDS, "plan"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_asks_for_the_rights_that_it_needs_and_forks_get_no_secret(file: Path) -> None:
    written = yaml.safe_load(file.read_text())
    assert written["permissions"]["contents"] == "read"
    assert set(written["permissions"].values()) <= {"read", "write"}
    triggers = written[True]  # YAML 1.1 reads the key `on` so
    assert "pull_request_target" not in triggers
    if "pull_request" in triggers:
        (job,) = written["jobs"].values()
        assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    # No secret on a command line: they come by the environment, or by standard input.
    steps = [step for job in written["jobs"].values() for step in job["steps"]]
    assert not [step for step in steps if "secrets." in step.get("run", "")]
