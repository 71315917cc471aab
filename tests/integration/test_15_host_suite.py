"""The host suite on a stack that runs: all is green, and what is done by hand turns its own tests red."""

from __future__ import annotations

import re
import sys
from typing import Final

import pytest

from tests.integration.stacks import TestStack, docker

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]
# Those of containers, files, ports, engines and models; the local stack has a dozen containers.
_LEAST: Final = 100


def suite(stack: TestStack, *more: str) -> tuple[str, set[str]]:
    """Run it, and return what it printed and the names of the tests that failed."""
    argv = [sys.executable, "-m", "pytest", "tests/host", "--stack", stack.name, "-q", "-p", "no:cacheprovider", *more]
    ran = stack.run(argv, check=False)
    return ran.stdout + ran.stderr, set(re.findall(r"^FAILED tests/host/\S+::(\S+)", ran.stdout, re.MULTILINE))


def test_all_is_green_on_a_stack_as_declared(local_stack: TestStack) -> None:
    local_stack.bootstrap("up")
    said, failed = suite(local_stack)
    assert failed == set(), said
    (passed,) = re.findall(r"(\d+) passed", said)
    assert int(passed) >= _LEAST, said


def test_what_is_done_by_hand_turns_its_own_tests_red(local_stack: TestStack) -> None:
    name = f"hearth-{local_stack.name}-"
    config = "/etc/litellm/config.yaml"
    docker("update", "--restart", "no", f"{name}alertmanager")
    docker("exec", f"{name}litellm", "sh", "-c", f"cp {config} /tmp/kept && echo '# mine' >> {config}")
    try:
        said, failed = suite(local_stack, "-k", "comes_back or as_rendered")
    finally:
        docker("update", "--restart", "unless-stopped", f"{name}alertmanager")
        docker("exec", f"{name}litellm", "sh", "-c", f"cat /tmp/kept > {config} && rm /tmp/kept")
    assert failed == {
        "test_it_comes_back_as_promised[local-alertmanager]",
        "test_its_files_are_as_rendered[local-litellm]",
    }, said
    assert suite(local_stack, "-k", "comes_back or as_rendered")[1] == set()
