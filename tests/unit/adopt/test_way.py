"""The way over: its order, and how long nobody is served."""

from __future__ import annotations

import pytest

from infra.adopt.data import Data
from infra.adopt.way import downtime_s, way_over
from tests.unit.plan.stacks import engine, host, planned

UI = Data("ui", "old_ui", "hearth-x-open-webui-data", "volume-local-x", "", "ui:1", ("hearth.stack=x",), is_live=True)
HUB = Data(
    "vllm", "/home/a b/hub", "hearth-x-hub-cache", "volume-local-y", "hub", "", ("hearth.stack=x",), is_live=False
)


def commands(*, comes_back: bool = False, docker: str = "docker") -> list[str]:
    steps = way_over("x", "old", [UI, HUB], [], None, docker=docker, comes_back=comes_back)
    return [line for step in steps for line in step.commands]


def position(lines: list[str], text: str) -> int:
    return next(number for number, line in enumerate(lines) if text in line)


def test_weights_are_copied_while_the_old_engines_serve_and_databases_when_they_are_still() -> None:
    lines = commands()
    order = [
        position(lines, text)
        for text in ("/home/a b/hub", "compose -p old stop", "old_ui:/from:ro", "make up", "compose -p old down")
    ]
    assert order == sorted(order)
    assert any("-v '/home/a b/hub':/from:ro" in line and "cp -a /from/. /to/hub/" in line for line in lines)


def test_volumes_of_the_project_are_only_removed_by_hand() -> None:
    removing = [line for line in commands() if "volume rm" in line or ("down" in line.split() and "-v" in line.split())]
    assert [line for line in removing if not line.startswith("#") and "without -v" not in line] == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_what_starts_again_with_its_host_is_untied_first(*, comes_back: bool) -> None:
    lines = commands(comes_back=comes_back)
    untied = [number for number, line in enumerate(lines) if "update --restart no" in line]
    assert bool(untied) is comes_back
    assert all(number < position(lines, "compose -p old stop") for number in untied)


def test_another_machine_s_daemon_is_named_in_every_docker_command() -> None:
    here, there = commands(comes_back=True), commands(comes_back=True, docker="docker -H ssh://ops@box")
    assert [line.replace("docker -H ssh://ops@box", "docker") for line in there] == here
    assert all(line.count("docker -H ssh://ops@box") == line.count("docker ") for line in there)


def test_engines_of_one_card_start_one_after_the_other() -> None:
    one = planned({"a": engine()}, {"box": host(1)})
    two = planned(
        {"a": engine(gpus=["0"], memory_fraction=0.4), "b": engine(gpus=["0"], memory_fraction=0.4)}, {"box": host(1)}
    )
    apart = planned({"a": engine(gpus=["0"]), "b": engine(gpus=["1"])}, {"box": host(2)})
    waiting = planned({"a": engine(gpus=["0"]), "b": engine(gpus=["1"], after=["a"])}, {"box": host(2)})
    assert downtime_s(one) == downtime_s(apart) > 0
    assert downtime_s(two) == downtime_s(waiting) == 2 * downtime_s(one)
