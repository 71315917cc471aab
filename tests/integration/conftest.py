from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.stacks import TestStack, free_ports


def _missing_tool() -> str:
    if shutil.which("pulumi") is None:
        return "the pulumi CLI is not on PATH: run `make test`, or `. .hearth/env.sh` first"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no Docker daemon answers: run `make test`, or start it"
    return ""


@pytest.fixture(scope="session")
def tools() -> None:
    """A missing tool is a visible skip on a laptop and a failure in CI."""
    missing = _missing_tool()
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


def pytest_report_header() -> str:
    from bootstrap import plugin  # noqa: PLC0415 - only this line needs it

    return f"docker plugin: {plugin.in_use()}"


def local_values() -> dict[str, Any]:
    """The local stack as it is, on ports of its own."""
    front, prometheus, alertmanager = free_ports(3)
    return {
        "extends": "local",
        "edge": {"expose": front},
        "monitoring": {
            "prometheus": {"expose": prometheus},
            "alertmanager": {"expose": alertmanager},
            "grafana": {"expose": None},
        },
    }


@pytest.fixture(scope="session")
def local_stack(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    """The whole local stack, up."""
    del tools
    stack = TestStack.make(tmp_path_factory.mktemp("local"), local_values())
    try:
        stack.bootstrap("up")
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="session")
def outputs(local_stack: TestStack) -> dict[str, Any]:
    return local_stack.outputs()
