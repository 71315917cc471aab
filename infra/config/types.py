"""The closed base of everything people write, and its scalar types."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator


class Model(BaseModel):
    """A section of a stack file: closed (a typo is an error), frozen, its defaults checked like input."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        populate_by_name=True,
        # Most sections are only checked as part of a larger one: a validator of their own would be built in vain.
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: object, field: ValidationInfo) -> object:
        """Python counts true as 1: `replicas: true` would be one replica, and `kv_cache: true` one byte."""
        wanted = cls.model_fields[field.field_name].annotation if field.field_name in cls.model_fields else None
        if isinstance(value, bool) and not _takes_bool(wanted):
            msg = f"is {str(value).lower()}, which says nothing here"
            raise ValueError(msg)
        return value


def _takes_bool(annotation: object) -> bool:
    return annotation in (bool, Any, object) or any(_takes_bool(part) for part in get_args(annotation))


_SIZE_UNITS_BYTES: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DURATION_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_DURATION_PART: Final = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*(ms|min|s|m|h)(?![a-z])")
_LARGEST_BYTES: Final = 2**60
# Some programs keep seconds in 32 bits, and 60 years is longer than anybody waits.
_LONGEST_S: Final = 2e9
# The kernel's own limit (NR_CPUS); a larger number is a slip of the pen.
_MOST_CORES: Final = 8192
# github.com/distribution/reference: a registry with a port, lower-case path components, a tag of 128 characters.
_IMAGE: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?",
    re.ASCII,
)
_BLANK: Final = re.compile(r"[\s\x00-\x1f]")
_CORES: Final = re.compile(r"[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*")
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
    size_bytes = float(match[1]) * _SIZE_UNITS_BYTES[match[2]]
    if size_bytes > _LARGEST_BYTES:
        msg = f"{value!r} is more than a machine can have; write at most {size_text(_LARGEST_BYTES)}"
        raise ValueError(msg)
    return int(size_bytes)


def _duration_s(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = _DURATION_PART.findall(value)
    if not parts or _DURATION_PART.sub("", value).strip():
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


def is_slug(text: str) -> bool:
    """Whether the text can name a host, a model or a stack."""
    return _SLUG.fullmatch(text) is not None


def _image_ref(value: str) -> str:
    name, at, digest = value.partition("@")
    if not _IMAGE.fullmatch(name):
        msg = f"{value!r} is no image; write registry/name:tag, all but the tag in small letters"
        raise ValueError(msg)
    tag = name.rpartition("/")[2].partition(":")[2]
    if at:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            msg = f"{digest!r} is no digest; write sha256: and 64 hexadecimal digits"
            raise ValueError(msg)
    elif not tag or tag in _FLOATING_TAGS:
        msg = f"{value!r} floats: what it names changes under you; pin a version tag or a digest"
        raise ValueError(msg)
    return value


def _cpu_set(value: object) -> object:
    if not isinstance(value, str | int) or not _CORES.fullmatch(str(value)):
        msg = f"{value!r} is no set of cores; write them as in 0-3 or 0,2,4-7"
        raise ValueError(msg)
    for part in str(value).split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            msg = f"{part!r} goes backwards; write {last}-{first}"
            raise ValueError(msg)
        if int(last or first) >= _MOST_CORES:
            msg = f"{part!r} names a core above {_MOST_CORES - 1}, which no machine has; count them from 0"
            raise ValueError(msg)
    return str(value)


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        msg = f"{value!r} is no IP address; write one of the host's own, 127.0.0.1 or 0.0.0.0"
        raise ValueError(msg) from None


def is_web_address(text: str) -> bool:
    """Whether the text is a whole address of the web: scheme, host, no blanks."""
    try:
        parts = urlsplit(text)
        # A port that is no number is found when it is asked for.
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return whole and not _BLANK.search(text)


def _web_address(value: str) -> str:
    # What is wrong may be wrong because of a password in it: such a value is never repeated.
    if "@" in value.partition("://")[2].partition("/")[0]:
        msg = "has a name or a password in it, which all who read the stack file see; take it out and set a secret instead"
        raise ValueError(msg)
    if not is_web_address(value):
        msg = f"{value!r} is no web address; write it whole, as in https://host.example/path"
        raise ValueError(msg)
    return value


Slug = Annotated[str, AfterValidator(_slug)]
# A group may have underscores, which Ansible's own groups have instead of dashes; hosts name resources, so they can't.
PlaceName = Annotated[str, AfterValidator(_place_name)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
SizeBytes = Annotated[int, BeforeValidator(_size_bytes), Field(gt=0, le=_LARGEST_BYTES)]
DurationS = Annotated[float, BeforeValidator(_duration_s), Field(ge=0, le=_LONGEST_S, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
ImageRef = Annotated[str, AfterValidator(_image_ref)]
CpuSet = Annotated[str, BeforeValidator(_cpu_set)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Address = Annotated[str, AfterValidator(_address)]


def reachable(first: Iterable[str], following: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the names that are reached from the first ones; those that `following` doesn't have are left out."""
    found: set[str] = set()
    queue = list(first)
    while queue:
        name = queue.pop()
        if name in following and name not in found:
            found.add(name)
            queue.extend(following[name])
    return found


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
