from __future__ import annotations

import pytest

from infra.catalogue.drivers import branch_of, driver_floor
from infra.catalogue.versions import NEWEST, PINNED


@pytest.mark.parametrize(
    ("image", "version", "branch"),
    [
        ("vllm/vllm-openai:v0.19.1", "0.19.1", 525),
        ("vllm/vllm-openai:v0.20.0", "0.20.0", 580),
        ("vllm/vllm-openai:v0.20.0-cu129", "0.20.0", 525),
        ("vllm/vllm-openai:v0.19.1-cu130@sha256:00", "0.19.1", 580),
        ("vllm/vllm-openai:v0.20.0-x86_64", "0.20.0", 580),
        ("mine/engine:today", PINNED, 580),
        ("vllm/vllm-openai:x", NEWEST, 580),
        ("vllm/vllm-openai:nightly", "nightly", None),
        ("vllm/vllm-openai:v1.0.0-cu140", "1.0.0", None),
    ],
)
def test_an_images_driver_follows_from_its_cuda(image: str, version: str, branch: int | None) -> None:
    floor = driver_floor(image, version)
    assert (floor.branch if floor is not None else None) == branch


@pytest.mark.parametrize(("driver", "branch"), [("580.82.07", 580), ("1000.1", 1000), (None, None), ("N/A", None)])
def test_a_drivers_branch_is_its_first_number(driver: str | None, branch: int | None) -> None:
    assert branch_of(driver) == branch
