"""The stack under test and the tools it needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plugin.stack import IMAGE, Stack, docker, is_stand_in, plugin_folder, tiny_image
from tests.tools import daemon_answers, require


def pytest_report_header() -> str:
    kind = "the stand-in" if is_stand_in() else "the official one" if plugin_folder().exists() else "none"
    return f"docker plugin under test: {kind} ({plugin_folder()})"


@pytest.fixture(scope="session")
def tools() -> None:
    """The engine, the plugin and a daemon."""
    load = "Run `. .hearth/env.sh`, or make test."
    require(shutil.which("pulumi") is not None, f"the pulumi CLI is missing. {load}")
    require(plugin_folder().exists(), f"the docker plugin is missing. {load}")
    require(daemon_answers(), f"no Docker daemon answers. {load}")
    require(shutil.which("busybox") is not None, "busybox is missing. Install the package busybox-static.")


@pytest.fixture(scope="session")
def tiny(tools: None) -> Iterator[str]:
    """The image of every container here; it goes when it wasn't there before."""
    del tools
    before = docker("images", "-q", IMAGE)
    if not before:
        subprocess.run(["docker", "import", "-", IMAGE], input=tiny_image(), check=True, capture_output=True)
    yield IMAGE
    if not before:
        docker("rmi", "-f", IMAGE, check=False)


@pytest.fixture
def stack(tiny: str, tmp_path: Path) -> Iterator[Stack]:
    """An empty stack; what it made is gone after the test."""
    del tiny
    made = Stack(tmp_path)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def shared_stack(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all tests of a file: they look at what its fixture did."""
    del tiny
    made = Stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.remove()


@pytest.fixture
def stand_in() -> None:
    """For what only the stand-in promises."""
    if not is_stand_in():
        pytest.skip("the official plugin is under test: it promises nothing here")
