from __future__ import annotations

from typing import Any

import pytest

from infra.interval import GIB
from infra.memory.verdict import Verdict
from infra.plan import Plan
from infra.plan.machine import HostRow
from tests.unit.plan.stacks import LLAMA_8B, LLAMA_70B, engine, errors, host, planned


def row(plan: Plan) -> HostRow:
    (found,) = plan.hosts
    return found


def cpu(**more: Any) -> dict[str, Any]:
    return engine("Qwen/Qwen3-1.7B", device="cpu", kv_cache="4GiB", dtype="bfloat16", **more)


def test_ram_of_cpu_engines_adds_up() -> None:
    one = row(planned({"a": cpu()}, {"box": {"memory": "64GiB"}}))
    two = row(planned({"a": cpu(), "b": cpu()}, {"box": {"memory": "64GiB"}}))
    assert two.ram.value == pytest.approx(2 * one.ram.value)
    assert one.ram.value > 4 * GIB


def test_the_engine_that_overfills_the_ram_is_refused_and_not_the_one_before_it() -> None:
    made = planned({"a": cpu(), "b": cpu()}, {"box": {"memory": "12GiB"}})
    assert [entry.verdict for entry in row(made).entries] == [Verdict.FITS, Verdict.NO]
    (finding,) = errors(made)
    assert finding.path == "hearth:models.b"
    assert "of 12.0 GiB RAM with this one" in finding.problem


def test_every_rank_of_a_gpu_engine_has_processes_in_ram() -> None:
    single = row(planned({"a": engine()}))
    double = row(planned({"a": engine(tensor_parallel=2)}, {"box": host(2)}))
    assert (single.ram.value / GIB, double.ram.value / GIB) == (4.0, 8.0)


def test_processes_that_may_not_fit_into_ram_are_a_warning_of_the_host() -> None:
    made = planned({"a": engine(tensor_parallel=2)}, {"box": host(2, memory="6GiB")})
    (finding,) = made.findings
    assert finding.path == "hearth:inventory.hosts.box"
    assert finding.problem == "engines' processes may take 8 of 6 GiB RAM"
    assert finding.severity == "warning"


def disk(free: str) -> list[dict[str, str]]:
    return [{"path": "/var/lib/docker", "size": "500GiB", "free": free}]


def test_a_disk_that_images_and_models_overfill_is_a_warning_with_both_sizes() -> None:
    made = planned({"a": engine(LLAMA_70B, tensor_parallel=4)}, {"box": host(4, disks=disk("100GiB"))})
    (finding,) = made.findings
    # 25 GiB of image, 131 of weights, 1 of compile cache.
    assert finding.problem == "images and models take 157 GiB, 100 are free"
    assert planned({"a": engine()}, {"box": host(disks=disk("100GiB"))}).findings == ()


def test_a_checkpoint_that_several_engines_share_is_on_disk_once() -> None:
    one = row(planned({"a": engine(memory_fraction=0.3)}))
    two = row(planned({"a": engine(memory_fraction=0.3), "b": engine(LLAMA_8B, memory_fraction=0.3)}))
    assert one.disk_bytes == two.disk_bytes


@pytest.mark.parametrize(("flags", "noted"), [(["avx2"], True), (["avx2", "avx512f"], False), ([], False)])
def test_a_processor_without_avx512_is_noted_where_engines_run_on_it(flags: list[str], *, noted: bool) -> None:
    made = planned({"a": cpu()}, {"box": {"memory": "64GiB", "cpu": {"flags": flags}}})
    assert any("no avx512f" in finding.problem for finding in made.findings) is noted


def test_avx512_means_nothing_to_a_host_of_gpu_engines() -> None:
    assert planned({"a": engine()}, {"box": host(cpu={"flags": ["avx2"]})}).findings == ()
