"""The closed base of everything people write, and its scalar types."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Model(BaseModel):
    """A section of a stack file: closed (a typo is an error), frozen, its defaults checked like input."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=True)


_SIZE_UNITS_BYTES: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DURATION_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_SLUG: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_PLACE_NAME: Final = re.compile(r"[a-z](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_FLOATING_TAGS: Final = frozenset(
    {"latest", "main", "master", "nightly", "dev", "edge", "stable", "main-stable", "main-latest"}
)


def _size_bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]iB|B)\s*", value)
    if not match:
        msg = f"{value!r} is no size; write a number and a unit of {', '.join(_SIZE_UNITS_BYTES)}, as in 4GiB"
        raise ValueError(msg)
    return int(float(match[1]) * _SIZE_UNITS_BYTES[match[2]])


def _duration_s(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h)", value)
    if not parts or re.sub(r"[\d.\s]|ms|min|s|m|h", "", value):
        msg = f"{value!r} is no duration; write seconds, or a number and a unit as in 90s, 5min, 1h 30m"
        raise ValueError(msg)
    return sum(float(number) * _DURATION_UNITS_S[unit] for number, unit in parts)


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        msg = f"{value!r} can't be a host name; use a-z, 0-9 and -, start with a letter, at most 40 characters"
        raise ValueError(msg)
    return value


def _place_name(value: str) -> str:
    if not _PLACE_NAME.fullmatch(value):
        msg = f"{value!r} can't name a host or group; use a-z, 0-9, - and _, start with a letter, at most 40 characters"
        raise ValueError(msg)
    return value


def _image_ref(value: str) -> str:
    name, _, digest = value.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if digest:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            msg = f"{digest!r} is no digest; write sha256: and 64 hexadecimal digits"
            raise ValueError(msg)
    elif not tag or tag in _FLOATING_TAGS:
        msg = f"{value!r} floats: what it names changes under you; pin a version tag or a digest"
        raise ValueError(msg)
    return value


def _cpu_set(value: object) -> object:
    if not isinstance(value, str | int) or not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", str(value)):
        msg = f"{value!r} is no set of cores; write them as in 0-3 or 0,2,4-7"
        raise ValueError(msg)
    return str(value)


Slug = Annotated[str, AfterValidator(_slug)]
# A group may have underscores, which Ansible's own groups have instead of dashes; hosts name resources, so they can't.
PlaceName = Annotated[str, AfterValidator(_place_name)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
SizeBytes = Annotated[int, BeforeValidator(_size_bytes), Field(gt=0)]
DurationS = Annotated[float, BeforeValidator(_duration_s), Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
ImageRef = Annotated[str, AfterValidator(_image_ref)]
CpuSet = Annotated[str, BeforeValidator(_cpu_set)]


def cores_of(cpu_set: str) -> frozenset[int]:
    """Return the core numbers of a set such as `0-3,8`."""
    cores: set[int] = set()
    for part in cpu_set.split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)


def size_text(size_bytes: int) -> str:
    """Write bytes in the largest unit that leaves no long fraction, as in `4.5 GiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes >= _SIZE_UNITS_BYTES[unit]:
            return f"{size_bytes / _SIZE_UNITS_BYTES[unit]:.4g} {unit}"
    return f"{size_bytes} B"
