"""What a control group's files say, in both versions of the kernel's format."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.services.assets.engine import usage

# As printed by an engine's container on a host with version 1.
VERSION_1 = {
    "memory/memory.usage_in_bytes": "999178240\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.stat": "cache 1556480\ninactive_file 5\ntotal_inactive_file 991232\n",
    "memory/memory.numa_stat": "total=238353 N0=200000 N1=38353\nfile=380 N0=380 N1=0\nanon=237973 N0=199620 N1=38353\n"
    "unevictable=0 N0=0 N1=0\nhierarchical_anon=237973 N0=199620 N1=38353\n",
    "cpuacct/cpuacct.usage": "71732287342\n",
    "cpu/cpu.cfs_quota_us": "-1\n",
    "cpu/cpu.cfs_period_us": "100000\n",
}
# In the form of the kernel's documentation of version 2.
VERSION_2 = {
    "cgroup.controllers": "cpuset cpu io memory\n",
    "memory.current": "2000000\n",
    "memory.max": "max\n",
    "memory.stat": "anon 1500000\nfile 400000\ninactive_file 300000\n",
    "memory.numa_stat": "anon N0=1000000 N1=500000\nfile N0=400000 N1=0\nshmem N0=70000 N1=0\nanon_thp N0=9 N1=9\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n",
    "cpu.max": "max 100000\n",
}


def written(folder: Path, files: dict[str, str]) -> dict[tuple[str, str], float]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {(name, labels.get("node", "")): value for _, name, labels, value in usage.rows(folder)}


def test_version_1(tmp_path: Path) -> None:
    found = written(tmp_path, VERSION_1)
    assert found["hearth_engine_memory_bytes", ""] == 999178240 - 991232
    assert ("hearth_engine_memory_limit_bytes", "") not in found
    assert found["hearth_engine_cpu_seconds_total", ""] == pytest.approx(71.732287342)
    assert found["hearth_engine_numa_memory_bytes", "0"] == 199620 * 4096
    assert found["hearth_engine_numa_memory_bytes", "1"] == 38353 * 4096


def test_version_2(tmp_path: Path) -> None:
    found = written(tmp_path, VERSION_2)
    assert found["hearth_engine_memory_bytes", ""] == 1_700_000
    assert ("hearth_engine_memory_limit_bytes", "") not in found
    assert found["hearth_engine_cpu_seconds_total", ""] == 2.5
    assert found["hearth_engine_numa_memory_bytes", "0"] == 1_070_000
    assert found["hearth_engine_numa_memory_bytes", "1"] == 500_000


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2])
def test_limits_of_memory_and_of_time(tmp_path: Path, version: dict[str, str]) -> None:
    limits = {"memory/memory.limit_in_bytes": "1073741824\n", "cpu/cpu.cfs_quota_us": "50000\n"}
    limits |= {"memory.max": "1073741824\n", "cpu.max": "50000 100000\n"}
    found = written(tmp_path, {**version, **{name: limits[name] for name in version if name in limits}})
    assert found["hearth_engine_memory_limit_bytes", ""] == 2**30
    assert found["hearth_engine_cores", ""] == 0.5


@pytest.mark.parametrize("junk", ["", "\n", "not a number\n"])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, junk: str) -> None:
    assert {name for name, _ in written(tmp_path, dict.fromkeys(VERSION_1, junk))} == {"hearth_engine_cores"}
    (tmp_path / "empty").mkdir()
    assert {name for _, name, _, _ in usage.rows(tmp_path / "empty")} == {"hearth_engine_cores"}
