"""Engines: the flags in effect, and the cards that their processes are on."""

from __future__ import annotations

import json

import pytest

from tests.host.conftest import Declaration, Running


def test_it_runs_with_the_declared_flags(engine: Running) -> None:
    (settings,) = (
        one["content"] for one in engine.declared.arguments["uploads"] if one["file"] == "/etc/hearth/engine.json"
    )
    wanted = " ".join(json.loads(settings)["command"])
    # Wide: ps cuts lines at the width that it is told.
    processes = engine.machine.docker(f"top {engine.name} -ww -eo pid,args").splitlines()
    assert any(line.endswith(wanted) for line in processes), f"no process has the arguments: {wanted}"


def test_it_is_ready_by_its_own_account(engine: Running) -> None:
    status = json.loads(engine.exec("cat /run/hearth/status.json"))
    assert status["state"] == "running", f"{engine.instance} is {status['state']}: {status.get('last_end')}"


def test_its_processes_are_on_its_cards(engine: Running, stack: Declaration) -> None:
    (placement,) = (one for one in stack.built.plan.placements if one.instance == engine.instance)
    cards = {card for card in placement.gpus if card.startswith("GPU-")}
    if not cards:
        pytest.skip("it has no card whose UUID the inventory knows")
    ran = engine.machine.shell.run("nvidia-smi --query-compute-apps=gpu_uuid,pid --format=csv,noheader")
    assert ran.rc == 0, ran.stderr
    own = {line.split()[0] for line in engine.machine.docker(f"top {engine.name} -eo pid").splitlines()[1:]}
    used = {uuid for uuid, pid in (line.split(", ") for line in ran.stdout.splitlines() if line) if pid in own}
    assert used == cards
