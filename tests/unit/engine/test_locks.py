"""What an engine has for itself while it starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.services.assets.engine.locks import DeviceLocks, device_names


def node(folder: Path, number: int, cores: str) -> None:
    (folder / f"node{number}").mkdir()
    (folder / f"node{number}" / "cpulist").write_text(cores + "\n")


def test_a_cpu_engine_locks_the_nodes_of_its_cores(tmp_path: Path) -> None:
    mine = min(os.sched_getaffinity(0))
    node(tmp_path, 0, f"{mine}-{mine}")
    node(tmp_path, 1, "900-901,903")
    (tmp_path / "node2").mkdir()
    (tmp_path / "node2" / "cpulist").write_text("\n")
    assert device_names("cpu", (), tmp_path) == ("numa-0",)


def test_without_nodes_there_is_one(tmp_path: Path) -> None:
    assert device_names("cpu", (), tmp_path) == ("numa-0",)


def driver(folder: Path, prints: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{prints}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_an_index_and_a_uuid_of_one_card_are_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, r"GPU-2222-b\nGPU-1111-a\n", monkeypatch)
    assert device_names("cuda", ("1", "0")) == ("card-GPU-1111-a", "card-GPU-2222-b")
    assert device_names("cuda", ("GPU-1111-a", "GPU-2222-b")) == ("card-GPU-1111-a", "card-GPU-2222-b")


@pytest.mark.parametrize("prints", ["", r"Failed to initialize NVML: Unknown Error\n", r"GPU-1111-a\n"])
def test_where_the_driver_does_not_tell_the_declared_names_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str
) -> None:
    driver(tmp_path, prints, monkeypatch)
    assert device_names("cuda", ("MIG-b/2", "0")) == ("card-0", "card-MIG-b_2")


def test_a_lock_has_one_holder_and_says_who(tmp_path: Path) -> None:
    one, two = (DeviceLocks(tmp_path / "locks", ("a", "b"), owner) for owner in ("one", "two"))
    other = DeviceLocks(tmp_path / "locks", ("c",), "other")
    assert one.take()
    assert one.take()
    assert not two.take()
    assert two.holder == "one"
    assert other.take()
    one.release()
    assert two.take()
    assert two.holder == ""
    assert not one.take()
    assert one.holder == "two"
    two.release()
    other.release()


def test_what_was_free_is_kept_while_the_rest_is_waited_for(tmp_path: Path) -> None:
    first, both, last = (DeviceLocks(tmp_path, names, "x") for names in (("b",), ("a", "b"), ("a",)))
    assert first.take()
    assert not both.take()
    assert not last.take()
    first.release()
    assert both.take()
    both.release()
    assert last.take()
    last.release()
