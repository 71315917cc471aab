"""Whatever is declared, the container that Docker makes of it differs in nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config.load import read_stack_file
from infra.config.restart import Restart
from infra.drift.containers import compare
from infra.pipeline import PROJECT, build
from infra.services.base import Probe, Published, Volume, Workload
from infra.targets.docker.declared import sites
from infra.targets.docker.mapping import Names, container
from tests.unit.drift.daemon import IMAGE, made

ROOT = Path(__file__).parents[3]
NAMES = Names(PROJECT, "mine")
WORD = st.text("abcXYZ019-_./", min_size=1, max_size=8)
VALUE = st.text("abc =:,\"'$0", max_size=8)
WORKLOAD = st.builds(
    Workload,
    instance=st.sampled_from(["chat", "litellm"]),
    service=st.just("x"),
    host=st.just("box"),
    image=st.just("example/image:1"),
    command=st.lists(WORD, min_size=1, max_size=4).map(tuple),
    restart=st.builds(
        Restart,
        policy=st.sampled_from(["no", "on-failure", "always"]),
        start_limit_burst=st.none() | st.integers(1, 9),
        timeout_stop=st.floats(0, 700),
    ),
    aliases=st.lists(st.sampled_from(["chat", "a", "b"]), max_size=2).map(tuple),
    environment=st.dictionaries(st.sampled_from(["A", "PATH", "LANG", "X_Y"]), VALUE, max_size=4),
    volumes=st.sampled_from([(), (Volume("data", "/data"), Volume("b", "/b", "/srv/b", read_only=True))]),
    published=st.sampled_from([(), (Published(80, 8080, "127.0.0.1"), Published(81, 81, "10.0.0.1"))]),
    probe=st.none() | st.builds(Probe, st.integers(1, 9999), st.just("/health"), st.sampled_from(["curl", "wget"])),
    start_timeout_s=st.integers(1, 99_999).map(float),
    memory_bytes=st.none() | st.integers(64, 2**20).map(lambda size_mib: size_mib * 2**20),
    shm_bytes=st.none() | st.integers(64, 2**14).map(lambda size_mib: size_mib * 2**20),
    cpu_set=st.none() | st.sampled_from(["0-3", "1,2"]),
    device=st.sampled_from(["cpu", "cuda", "rocm"]),
    gpus=st.sampled_from([(), ("GPU-1",), ("1", "0")]),
    supervised=st.booleans(),
    gpu_access=st.sampled_from(["device-request", "cdi", "runtime"]),
    capabilities=st.sampled_from([(), ("SYS_NICE",)]),
)


@given(WORKLOAD, st.integers(0, 99))
def test_what_docker_makes_of_any_workload_is_as_declared(workload: Workload, seed: int) -> None:
    declared = container(workload, NAMES, Path("/srv"))
    assert list(compare(declared, made(declared, seed=seed), IMAGE, IMAGE)) == []


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_what_docker_makes_of_a_whole_stack_is_as_declared(stack: str) -> None:
    built, _ = build(read_stack_file(ROOT, stack)[0], stack, [])
    assert built is not None
    for site in sites(built.config, built.workloads, Names(PROJECT, stack), ROOT).values():
        for declared in site.containers.values():
            assert list(compare(declared.arguments, made(dict(declared.arguments)), IMAGE, IMAGE)) == []
