"""The same stack, built as if its engines' image had another version of vLLM."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from infra.config.load import Written
from infra.config.models import ModelServer
from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.pipeline import Built, build
from infra.services.base import Workload
from infra.services.engine_image import image_for
from infra.services.prefetch import Prefetch
from infra.services.vllm import Vllm

_TAG: Final = re.compile(r"(v?)\d+\.\d+(?:\.\d+)?(?:\.?post\d+|rc\d+)?(.*)")
_POST: Final = re.compile(r"\d+\.\d+(\.\d+)?")


@dataclass(frozen=True, eq=False)
class Target:
    """A stack at another version: what would run, what is to say about it, and every device's image."""

    version: str
    built: Built | None
    findings: tuple[Finding, ...]
    workloads: tuple[Workload, ...]
    images: Mapping[str, str]


def build_at(written: Written, stack: str, found: list[Finding], before: Built, version: str) -> Target:
    """Build the stack with its engines at a version of vLLM, and where they are now as far as they still fit there.

    `found` are findings of reading the file.
    """
    full = full_version(version)
    images: dict[str, str] = {
        model.device: _image(model, before.config, full) for model in before.config.models.values()
    }
    own = written.values.get("images")
    # A stack without engines has no image to move; of several, any one tells the planner the version.
    moved = {"vllm": next(iter(images.values()))} if images else {}
    at = replace(written, values={**written.values, "images": {**(own if isinstance(own, Mapping) else {}), **moved}})
    previous = {one.instance: (one.host, one.gpus) for one in before.plan.placements if one.gpus}
    built, findings = build(at, stack, found, previous=previous, calibration={})
    in_image = {Vllm.name} if Prefetch.name in before.config.images else {Vllm.name, Prefetch.name}
    workloads = () if built is None else tuple(_with_image(one, images, in_image) for one in built.workloads)
    return Target(full, built, findings, workloads, images)


def full_version(text: str) -> str:
    """Return a version as image tags have it: three numbers, without v."""
    plain = text.removeprefix("v")
    return _POST.sub(lambda match: match[0] if match[1] else f"{match[0]}.0", plain, count=1)


def retag(image: str, version: str) -> str | None:
    """Return an image with its tag's version replaced, without the old digest; None when the tag has no version."""
    name = image.partition("@")[0]
    repository, colon, tag = name.rpartition(":")
    match = _TAG.fullmatch(tag)
    if not colon or "/" in tag or match is None:
        return None
    return f"{repository}:{match[1]}{version}{match[2]}"


def _image(model: ModelServer, config: StackConfig, version: str) -> str:
    """Return what an engine would run: the stack's own image under the new tag, else the official one."""
    own = retag(config.images.get("vllm", ""), version)
    official = image_for(model, config.model_copy(update={"images": {}, "image_source": "official"}))
    moved = own or retag(official, version)
    assert moved is not None, f"{official} has no version in its tag"
    return moved


def _with_image(workload: Workload, images: Mapping[str, str], services: Collection[str]) -> Workload:
    """hearth:images.vllm is one image; engines of several devices need one each, as the pinned version has them."""
    return replace(workload, image=images[workload.device]) if workload.service in services else workload
