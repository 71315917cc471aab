"""What a control group's files say, in both versions of the kernel's format."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.services.assets.engine import usage

# As an engine's container on a host with version 1 (Docker 20.10, one NUMA node) read them.
VERSION_1 = {
    "memory/memory.usage_in_bytes": "37519360\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.stat": "cache 12034048\n"
    "rss 24170496\n"
    "rss_huge 0\n"
    "shmem 0\n"
    "mapped_file 6901760\n"
    "dirty 0\n"
    "writeback 0\n"
    "workingset_refault_anon 0\n"
    "workingset_refault_file 2964\n"
    "swap 0\n"
    "swapcached 0\n"
    "pgpgin 11090\n"
    "pgpgout 2253\n"
    "pgfault 9218\n"
    "pgmajfault 14\n"
    "inactive_anon 24064000\n"
    "active_anon 16384\n"
    "inactive_file 5058560\n"
    "active_file 6975488\n"
    "unevictable 0\n"
    "hierarchical_memory_limit 9223372036854771712\n"
    "hierarchical_memsw_limit 9223372036854771712\n"
    "total_cache 12034048\n"
    "total_rss 24170496\n"
    "total_rss_huge 0\n"
    "total_shmem 0\n"
    "total_mapped_file 6901760\n"
    "total_dirty 0\n"
    "total_writeback 0\n"
    "total_workingset_refault_anon 0\n"
    "total_workingset_refault_file 2964\n"
    "total_swap 0\n"
    "total_swapcached 0\n"
    "total_pgpgin 11090\n"
    "total_pgpgout 2253\n"
    "total_pgfault 9218\n"
    "total_pgmajfault 14\n"
    "total_inactive_anon 24064000\n"
    "total_active_anon 16384\n"
    "total_inactive_file 5058560\n"
    "total_active_file 6975488\n"
    "total_unevictable 0\n",
    "memory/memory.numa_stat": "total=8817 N0=8817\n"
    "file=2938 N0=2938\n"
    "anon=5879 N0=5879\n"
    "unevictable=0 N0=0\n"
    "hierarchical_total=8817 N0=8817\n"
    "hierarchical_file=2938 N0=2938\n"
    "hierarchical_anon=5879 N0=5879\n"
    "hierarchical_unevictable=0 N0=0\n",
    "cpuacct/cpuacct.usage": "576605365\n",
    "cpu/cpu.cfs_quota_us": "-1\n",
    "cpu/cpu.cfs_period_us": "100000\n",
}
# In the kernel's own form, with a second node.
TWO_NODES = "total=238353 N0=200000 N1=38353\nfile=380 N0=380 N1=0\nanon=237973 N0=199620 N1=38353\n"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
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
    assert found["hearth_engine_memory_bytes", ""] == 37519360 - 5058560
    assert ("hearth_engine_memory_limit_bytes", "") not in found
    assert found["hearth_engine_cpu_seconds_total", ""] == pytest.approx(0.576605365)
    assert found["hearth_engine_numa_memory_bytes", "0"] == 5879 * PAGE_BYTES
    assert found["hearth_engine_cores", ""] == len(os.sched_getaffinity(0))


def test_version_1_with_two_nodes(tmp_path: Path) -> None:
    found = written(tmp_path, {**VERSION_1, "memory/memory.numa_stat": TWO_NODES})
    assert found["hearth_engine_numa_memory_bytes", "0"] == 199620 * PAGE_BYTES
    assert found["hearth_engine_numa_memory_bytes", "1"] == 38353 * PAGE_BYTES


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


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2])
@pytest.mark.parametrize("junk", [b"", b"\n", b"not a number\n", b"\xff\xff\n", "²\n".encode()])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, version: dict[str, str], junk: bytes) -> None:
    written(tmp_path, version)
    for name in version:
        (tmp_path / name).write_bytes(junk)
    assert {name for _, name, _, _ in usage.rows(tmp_path)} == {"hearth_engine_cores"}


def test_without_any_file_there_are_cores_alone(tmp_path: Path) -> None:
    assert {name for _, name, _, _ in usage.rows(tmp_path)} == {"hearth_engine_cores"}


@pytest.mark.parametrize(("version", "stat"), [(VERSION_1, "memory/memory.stat"), (VERSION_2, "memory.stat")])
def test_memory_is_not_told_where_its_cached_files_are_unknown(
    tmp_path: Path, version: dict[str, str], stat: str
) -> None:
    assert ("hearth_engine_memory_bytes", "") not in written(tmp_path, {**version, stat: ""})
