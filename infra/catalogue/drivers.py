"""The NVIDIA driver that an image of vLLM needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from infra.catalogue.versions import parse_version

# vllm-project/vllm pull request 39878: images without a suffix are built on CUDA 13 from 0.20 on, those before on CUDA 12;
# `-cu129` and the like in a tag says something else.
_CUDA_13_SINCE: Final = (0, 20, 0)
_SUFFIX: Final = re.compile(r"-cu(\d{2})\d")
# NVIDIA's CUDA compatibility guide: the oldest branch of the driver that runs programs of a major version of CUDA.
_BRANCHES: Final = {12: 525, 13: 580}
# With the compatibility libraries inside the image, which data-centre cards alone may use (vllm docs, gpu.cuda.inc.md).
COMPATIBLE_BRANCH: Final = 535


@dataclass(frozen=True)
class DriverFloor:
    """The oldest branch of the driver, as in 580, for the major version of CUDA that an image is built on."""

    branch: int
    cuda: int


def driver_floor(image: str, version: str) -> DriverFloor | None:
    """Return what an image of a version of vLLM needs; None where the catalogue doesn't know."""
    suffix = _SUFFIX.search(image.partition("@")[0].rpartition(":")[2])
    parsed = parse_version(version)
    if suffix is None and parsed is None:
        return None
    cuda = int(suffix[1]) if suffix is not None else 13 if parsed is not None and parsed >= _CUDA_13_SINCE else 12
    branch = _BRANCHES.get(cuda)
    return DriverFloor(branch, cuda) if branch is not None else None


def branch_of(driver: str | None) -> int | None:
    """Return the branch of a driver's version, as in 580 of 580.82.07; None for what is no version."""
    match = re.match(r"(\d{3,4})\.\d", driver or "")
    return int(match[1]) if match else None
