"""What someone changed by hand shows up in a check for drift, and `up --refresh` repairs it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.integration.plugin.cases import BY_HAND, NOT_SEEN, ByHand
from tests.integration.plugin.stack import (
    CHANGES_FOUND,
    Finished,
    Planned,
    Resource,
    Stack,
    container,
    docker,
    inspect,
    network,
    volume,
)

pytestmark = pytest.mark.integration

ROWS = (*NOT_SEEN, *BY_HAND)


def _names(stack: Stack, index: int) -> dict[str, str]:
    return {key: stack.name(f"{key}{index}") for key in ("c", "n", "v")}


def _resources(stack: Stack) -> list[Resource]:
    """Per row a container with a network, a volume, a port and a file of its own."""
    made: list[Resource] = []
    for index in range(len(ROWS)):
        names = _names(stack, index)
        one = container(
            f"c{index}",
            names["c"],
            networks_advanced=[{"name": {"$output": f"n{index}.name"}}],
            volumes=[{"container_path": "/data", "volume_name": {"$output": f"v{index}.name"}}],
            ports=[{"internal": 80, "ip": "127.0.0.1"}],
            uploads=[{"file": "/etc/app.conf", "content": "as declared"}],
            memory=64,
            memory_swap=64,
        )
        made += [network(f"n{index}", names["n"]), volume(f"v{index}", names["v"]), one]
    return made


def _do(stack: Stack, rows: tuple[ByHand, ...]) -> None:
    for row in rows:
        names = _names(stack, ROWS.index(row))
        for command in row.commands:
            head, quote, script = command.format(**names).partition(" '")
            docker(*head.split(), *([script.rstrip("'")] if quote else []))


@dataclass
class Outcome:
    """The drift checks: after changes that can't be seen, after those that can, and after the repair; with the repair itself."""

    unseen: Planned
    seen: Planned
    repair: Finished
    repaired: Planned


@pytest.fixture(scope="module")
def outcome(shared_stack: Stack) -> Outcome:
    shared_stack.declare(*_resources(shared_stack))
    shared_stack.up().check()
    _do(shared_stack, NOT_SEEN)
    unseen = shared_stack.drift()
    _do(shared_stack, BY_HAND)
    seen = shared_stack.drift()
    docker("unpause", _names(shared_stack, 0)["c"])
    repair = shared_stack.up("--refresh")
    return Outcome(unseen, seen, repair, shared_stack.drift())


@pytest.mark.parametrize("row", BY_HAND, ids=[row.name for row in BY_HAND])
def test_a_check_for_drift_says_what_was_done(outcome: Outcome, row: ByHand) -> None:
    assert outcome.seen.operations[f"{row.resource}{ROWS.index(row)}"] == row.operation


def test_a_check_for_drift_exits_with_7(outcome: Outcome) -> None:
    assert outcome.seen.code == CHANGES_FOUND


def test_what_is_never_read_back_is_no_drift(outcome: Outcome) -> None:
    assert outcome.unseen.code == 0, outcome.unseen.changed


def test_up_with_refresh_repairs_everything(outcome: Outcome, shared_stack: Stack) -> None:
    outcome.repair.check()
    running = [inspect(_names(shared_stack, index)["c"])["State"]["Running"] for index in range(len(ROWS))]
    assert all(running)


def test_a_repaired_stack_has_no_drift(outcome: Outcome) -> None:
    assert outcome.repaired.code == 0, outcome.repaired.changed


def test_a_stopped_container_without_ports_is_started_again(stack: Stack) -> None:
    stack.declare(container("c", stack.name("c")))
    stack.up().check()
    before = inspect(stack.name("c"))["Id"]
    docker("stop", "-t", "0", stack.name("c"))
    assert stack.drift().operations["c"] == "update"
    stack.up("--refresh").check()
    after = inspect(stack.name("c"))
    assert (after["Id"], after["State"]["Running"]) == (before, True)


def test_a_foreign_container_of_the_same_name_is_never_touched(stack: Stack) -> None:
    stack.declare(container("c", stack.name("c")))
    stack.up().check()
    docker("rm", "-f", stack.name("c"))
    foreign = docker("run", "-d", "--name", stack.name("c"), "hearth-test/busybox:plugin", "sleep", "3600")
    assert stack.drift().operations["c"] == "create"
    ran = stack.up("--refresh")
    assert (ran.code != 0, "is already in use" in ran.said) == (True, True)
    assert inspect(stack.name("c"))["Id"] == foreign


def test_destroy_is_content_with_what_is_gone_already(stack: Stack) -> None:
    stack.declare(*_resources(stack)[:3])
    stack.up().check()
    names = _names(stack, 0)
    docker("rm", "-f", names["c"])
    docker("network", "rm", names["n"])
    docker("volume", "rm", names["v"])
    stack.run("destroy", "--yes", "--skip-preview", "--stack", "t").check()
