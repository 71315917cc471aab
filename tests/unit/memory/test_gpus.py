"""Cards by the names that nvidia-smi prints and that people use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import infra.catalogue.gpus as catalogue
from infra.catalogue.gpus import all_gpus, find_gpu
from infra.interval import GIB

ENTRIES = json.loads(Path(catalogue.__file__).with_name("gpus.json").read_text())["gpus"]
PRINTED = sorted({name for entry in ENTRIES.values() for name in entry["names"] if name.startswith(("NVIDIA", "AMD"))})


@pytest.mark.parametrize("printed", PRINTED)
def test_a_printed_name_finds_a_card_that_prints_it(printed: str) -> None:
    found = find_gpu(printed)
    assert found is not None
    assert printed in ENTRIES[found.name]["names"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-80GB"),
        ("NVIDIA H100 PCIe", "H100-80GB-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L4", "L4"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA GeForce RTX 3090", "RTX-3090"),
        ("NVIDIA GeForce RTX 3090 Ti", "RTX-3090-Ti"),
        ("NVIDIA GB10", "GB10"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("NVIDIA RTX A6000", "RTX-A6000"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("AMD Instinct MI300X", "MI300X"),
        ("h200", "H200"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER OC", "RTX-4070-Ti-Super"),
        ("H100", "H100-80GB"),
    ],
)
def test_a_name_finds_its_product(text: str, name: str) -> None:
    found = find_gpu(text)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("text", ["", "   ", "Voodoo 2", "TPU v5e", "NVIDIA"])
def test_what_is_no_card_finds_none(text: str) -> None:
    assert find_gpu(text) is None


def test_every_card_reports_less_than_its_marketing_size_says() -> None:
    assert len(all_gpus()) > 60
    for kind in all_gpus().values():
        assert 4 * GIB < kind.memory.low <= kind.memory.value <= kind.memory.high < 300 * GIB
        for slice_ in kind.mig.values():
            assert slice_.memory.high <= kind.memory.high
            assert slice_.most >= 1


def test_what_a_card_can_compute_follows_from_its_generation() -> None:
    old, middle, new = (find_gpu(name) for name in ("T4", "A100-SXM4-40GB", "L40S"))
    assert old
    assert middle
    assert new
    assert [kind.runs_bfloat16 for kind in (old, middle, new)] == [False, True, True]
    assert [kind.runs_fp8 for kind in (old, middle, new)] == [False, False, True]
