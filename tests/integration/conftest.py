from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from bootstrap import plugin
from tests.integration import orphans
from tests.integration.docker_hosts import DockerHost, docker_hosts
from tests.integration.stacks import TestStack
from tests.ports import free_ports
from tests.tools import daemon_answers, require


@pytest.fixture(scope="session")
def tools() -> None:
    """The engine's command line, and a daemon that runs nothing of a killed test run."""
    require(
        shutil.which("pulumi") is not None,
        "the pulumi CLI is not on PATH: run `make test`, or `. .hearth/env.sh` first",
    )
    require(daemon_answers(), "no Docker daemon answers: run `make test`, or start it")
    orphans.remove()


def pytest_report_header() -> str:
    return f"docker plugin: {plugin.in_use()}"


@pytest.fixture(scope="session")
def hosts(tools: None) -> Iterator[dict[str, DockerHost]]:
    """Three Docker hosts that are reached by ssh."""
    del tools
    with docker_hosts(("front", "gpu-1", "gpu-2")) as running:
        yield running


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
