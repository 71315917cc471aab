"""The host suite on a stack that runs: all is green, and each thing done by hand turns its own tests red."""

from __future__ import annotations

import re
import sys
from typing import Final

import pytest

from tests.integration.stacks import TestStack, docker

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]
_LEAST: Final = 120


def suite(stack: TestStack) -> tuple[str, set[str]]:
    """Run it, and return what it printed and the names of the tests that failed."""
    argv = [sys.executable, "-m", "pytest", "tests/host", "--stack", stack.name, "-q", "-p", "no:cacheprovider"]
    ran = stack.run(argv, check=False)
    return ran.stdout + ran.stderr, set(re.findall(r"^FAILED tests/host/\S+::(\S+)", ran.stdout, re.MULTILINE))


def test_all_is_green_and_what_is_done_by_hand_is_red(local_stack: TestStack) -> None:
    local_stack.bootstrap("up")
    said, failed = suite(local_stack)
    assert failed == set(), said
    (passed,) = re.findall(r"(\d+) passed", said)
    assert int(passed) >= _LEAST, said
    name = f"hearth-{local_stack.name}-"
    docker("update", "--restart", "no", f"{name}alertmanager")
    docker("exec", f"{name}litellm", "sh", "-c", "echo '# mine' >> /etc/litellm/config.yaml")
    docker("stop", "-t", "1", f"{name}blackbox-exporter")
    try:
        said, failed = suite(local_stack)
    finally:
        repaired = local_stack.bootstrap("repair", check=False)
    assert failed == {
        "test_it_comes_back_as_promised[local-alertmanager]",
        "test_its_files_are_as_rendered[local-litellm]",
        "test_it_runs[local-blackbox-exporter]",
        "test_it_is_healthy[local-blackbox-exporter]",
        "test_prometheus_reaches_every_target",
    }, said
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert suite(local_stack)[1] == set()
