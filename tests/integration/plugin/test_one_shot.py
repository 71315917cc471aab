"""Containers that run to their end, and what else an engine of Hearth's asks of Docker."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plugin.stack import CHANGES_FOUND, Resource, Stack, container, docker, inspect

pytestmark = pytest.mark.integration

SETTLED_S = 30.0


def one_shot(stack: Stack, short: str, script: str, **inputs: Any) -> Resource:
    """A container that may end, and that Docker tries three times again when it fails."""
    promise = {"must_run": False, "restart": "on-failure", "max_retry_count": 3}
    return container(short, stack.name(short), **({"command": ["sh", "-c", script]} | promise | inputs))


def ended(name: str, restarts: int) -> dict[str, Any]:
    """The container once it ended for good."""
    give_up = time.monotonic() + SETTLED_S
    while time.monotonic() < give_up:
        seen = inspect(name)
        if seen["State"]["Status"] == "exited" and seen["RestartCount"] == restarts:
            return seen
        time.sleep(0.2)
    pytest.fail(f"{name} did not end: {inspect(name)['State']}")


@pytest.mark.parametrize(("code", "restarts"), [(0, 0), (1, 3)])
def test_the_end_of_a_one_shot_is_neither_an_error_nor_drift(stack: Stack, code: int, restarts: int) -> None:
    stack.declare(one_shot(stack, "c", f"exit {code}"))
    stack.up().check()
    before = ended(stack.name("c"), restarts)
    planned = stack.drift()
    assert planned.code == 0, planned.changed
    stack.up("--refresh", "--expect-no-changes").check()
    after = inspect(stack.name("c"))
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    assert stack.exported()["c"]["outputs"]["exitCode"] == code


def test_a_one_shot_runs_again_when_replaced_and_not_when_updated(stack: Stack) -> None:
    stack.declare(one_shot(stack, "c", "exit 0"))
    stack.up().check()
    before = ended(stack.name("c"), 0)
    stack.declare(one_shot(stack, "c", "exit 0", max_retry_count=4))
    stack.up().check()
    updated = inspect(stack.name("c"))
    assert (updated["Id"], updated["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    stack.declare(one_shot(stack, "c", "exit 0", max_retry_count=4, uploads=[{"file": "/a", "content": "b"}]))
    stack.up().check()
    assert ended(stack.name("c"), 0)["Id"] != before["Id"]


@pytest.fixture
def missing() -> Iterator[Path]:
    """A folder of the daemon's host that isn't there yet."""
    folder = Path("/run/hearth-test-locks")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_what_an_engine_asks_for_is_no_drift(stack: Stack, missing: Path) -> None:
    files = [{"file": f"/opt/engine/{index:02}.py", "content": f"part = {index}\n"} for index in range(12)]
    wanted = {
        "init": False,
        "runtime": "runc",
        "capabilities": {"adds": ["CAP_SYS_NICE"]},
        "group_adds": ["44", "109"],
        "devices": [{"host_path": "/dev/null"}, {"host_path": "/dev/zero", "permissions": "rw"}],
        "volumes": [{"container_path": "/run/hearth/locks", "host_path": str(missing)}],
        "uploads": files,
    }
    stack.declare(container("c", stack.name("c"), **wanted))
    stack.up().check()
    assert stack.preview().code == 0
    planned = stack.drift()
    assert planned.code == 0, planned.changed
    assert docker("exec", stack.name("c"), "ls", "/opt/engine").split() == [f"{index:02}.py" for index in range(12)]


def test_devices_by_the_container_device_interface_can_be_planned(stack: Stack) -> None:
    asked = [{"driver": "cdi", "device_ids": ["nvidia.com/gpu=0"]}]
    stack.declare(container("c", stack.name("c"), device_requests=asked))
    assert stack.preview().operations["c"] == "create"


def test_a_capability_by_its_bare_name_is_drift(stack: Stack) -> None:
    stack.declare(container("c", stack.name("c"), capabilities={"adds": ["SYS_NICE"]}))
    stack.up().check()
    planned = stack.drift()
    assert (planned.code, planned.operations["c"]) == (CHANGES_FOUND, "replace")
