"""Which images stay: an engine's version does, a database's program never goes back, the rest is Hearth's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from infra.adopt.engine import Engine
from infra.adopt.roles import ENGINE
from infra.adopt.service import Service
from infra.adopt.told import Told
from infra.catalogue.versions import parse_version
from infra.config.types import ImageRef
from infra.services import registry
from infra.services.engine_image import IMAGES


def images_of(
    roles: Mapping[str, str], services: Mapping[str, Service], engines: Sequence[Engine], told: Told
) -> dict[str, str]:
    """Return hearth:images, and say of every container which image takes its place."""
    kept = _of_engines(engines, told)
    for name, role in roles.items():
        if role != ENGINE:
            kept |= _of_service(role, services[name], told)
    return kept


def _of_engines(engines: Sequence[Engine], told: Told) -> dict[str, str]:
    images = {one.service.image for one in engines}
    image = next(iter(images), "")
    if len(images) == 1 and is_pinned(image):
        return {} if image in IMAGES.values() else {ENGINE: image}
    for one in engines:
        why = "is built from its sources" if not one.service.image else "floats" if not is_pinned(one.service.image) else (
            "is one of several, and hearth:images.vllm is one for all")  # fmt: skip
        told.change(
            one.service.name, f"{one.service.image or one.service.build} {why}: {IMAGES[one.device]} takes its place"
        )
    return {}


def _of_service(role: str, service: Service, told: Told) -> dict[str, str]:
    official = registry()[role].official_image
    image = service.image
    if image == official:
        return {}
    theirs, ours = parse_version(service.tag), parse_version(_tag(official))
    is_own = bool(image) and not official.startswith(f"{service.repository.removeprefix('docker.io/')}:")
    if is_pinned(image) and (_is_private(service.repository) or (theirs and ours and theirs > ours)):
        why = "it comes from a registry of your own" if _is_private(service.repository) else (
            f"it is newer than Hearth's {_tag(official)}, and data of a newer version can't go back")  # fmt: skip
        told.change(service.name, f"{image} stays: {why}")
        return {role: image}
    what = "another build" if is_own else "floats" if not is_pinned(image) else "another version"
    told.change(
        service.name,
        f"{official} takes the place of {image or service.build} ({what}); hearth:images.{role} keeps another",
    )
    return {}


def is_pinned(image: str) -> bool:
    """Whether an image always names the same thing, as hearth:images wants it."""
    try:
        TypeAdapter(ImageRef).validate_python(image)
    except ValidationError:
        return False
    return True


def _tag(image: str) -> str:
    return image.rpartition(":")[2]


def _is_private(repository: str) -> bool:
    head = repository.partition("/")[0]
    public = {"docker.io", "ghcr.io", "quay.io", "nvcr.io", "gcr.io", "public.ecr.aws", "docker.litellm.ai"}
    return ("." in head or ":" in head or head == "localhost") and head not in public
