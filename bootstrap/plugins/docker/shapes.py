"""The shapes of inputs: what is accepted, what is filled in, and when two values mean the same.

Docker and the official plugin both take "", 0, false and empty lists to mean "not set"; sets have no order; durations and numbers in text
compare by their meaning. A value's `canon` is the form in which equal meanings are equal.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from .values import Secret, Unknown

Problem = tuple[str, str]
"""A property's path and what is wrong with its value."""


class Shape(Protocol):
    """What a value may look like."""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Everything wrong with the value; nothing for values that are not known yet."""

    def canon(self, value: Any) -> Any:
        """The value's meaning; None when it means "not set"."""

    def complete(self, value: Any) -> Any:
        """The value with what was left out inside it, marks kept: what the official plugin stores, so that either can take over."""

    def schema(self) -> dict[str, Any]:
        """The shape in the words of a Pulumi package schema."""


@dataclass(frozen=True)
class Scalar:
    """A text, whole number or flag."""

    python: type
    name: str
    pattern: str = ""
    meaning: Callable[[Any], Any] = lambda value: value

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """See Shape."""
        if isinstance(value, Secret):
            yield from self.problems(value.value, path)
        elif isinstance(value, Unknown):
            return
        elif type(value) is not self.python:
            yield path, f"is no {self.name}"
        elif self.pattern and not re.fullmatch(self.pattern, str(value)):
            yield path, f"doesn't match {self.pattern}"

    def canon(self, value: Any) -> Any:
        """See Shape."""
        return self.meaning(value) if value else None

    def complete(self, value: Any) -> Any:
        """See Shape."""
        return value

    def schema(self) -> dict[str, Any]:
        """See Shape."""
        return {"type": self.name}


@dataclass(frozen=True)
class ListOf:
    """A list; unordered ones are sets to Docker."""

    item: Shape
    ordered: bool = False

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """See Shape."""
        if isinstance(value, Secret):
            yield from self.problems(value.value, path)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.item.problems(item, f"{path}[{index}]")
        elif not isinstance(value, Unknown):
            yield path, "is no list"

    def canon(self, value: Any) -> Any:
        """See Shape."""
        if not value:
            return None
        if self.ordered:
            return [item if isinstance(item, str) else self.item.canon(item) for item in value]
        return sorted({json.dumps(self.item.canon(item), sort_keys=True) for item in value})

    def complete(self, value: Any) -> Any:
        """See Shape."""
        if isinstance(value, Secret):
            return Secret(self.complete(value.value))
        return [self.item.complete(item) for item in value] if isinstance(value, list) else value

    def schema(self) -> dict[str, Any]:
        """See Shape."""
        return {"type": "array", "items": self.item.schema()}


@dataclass(frozen=True)
class Texts:
    """A map from text to text."""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """See Shape."""
        if isinstance(value, Secret):
            yield from self.problems(value.value, path)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from TEXT.problems(item, f"{path}.{key}")
        elif not isinstance(value, Unknown):
            yield path, "is no map"

    def canon(self, value: Any) -> Any:
        """See Shape."""
        return dict(value) if value else None

    def complete(self, value: Any) -> Any:
        """See Shape."""
        return value

    def schema(self) -> dict[str, Any]:
        """See Shape."""
        return {"type": "object", "additionalProperties": {"type": "string"}}


@dataclass(frozen=True)
class Record:
    """An object with named fields; `defaults` fills in what a user leaves out."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """See Shape."""
        if isinstance(value, Secret):
            yield from self.problems(value.value, path)
        elif isinstance(value, dict):
            yield from ((f"{path}.{name}", "is missing") for name in self.required if value.get(name) is None)
            for name, item in value.items():
                if name not in self.fields:
                    yield f"{path}.{name}", NOT_HERE
                elif item is not None:
                    yield from self.fields[name].problems(item, f"{path}.{name}")
        elif not isinstance(value, Unknown):
            yield path, "is no object"

    def complete(self, value: Any) -> Any:
        """See Shape."""
        if isinstance(value, Secret):
            return Secret(self.complete(value.value))
        if not isinstance(value, dict):
            return value
        given = {name: item for name, item in value.items() if item is not None}
        return {
            **self.defaults,
            **{name: self.fields[name].complete(item) for name, item in given.items() if name in self.fields},
        }

    def canon(self, value: Any) -> Any:
        """See Shape."""
        if not value:
            return None
        filled = self.complete(value)
        meant = {name: shape.canon(filled[name]) for name, shape in self.fields.items() if name in filled}
        return {name: item for name, item in meant.items() if item is not None}

    def schema(self) -> dict[str, Any]:
        """See Shape. Nested types need names of their own in a package schema; `Any` says enough for the engine."""
        return {"$ref": "pulumi.json#/Any"}


NOT_HERE = "is not implemented by this stand-in"
"""What is said of an input that only the official plugin knows; the advice is added where the message is made."""

_UNITS_NS = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "ns": 1,
}
_DURATION = r"(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+|0"


def nanoseconds(text: str) -> int:
    """A duration in Go's notation, as Docker's API wants it."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)", text)
    return int(sum(Decimal(number) * _UNITS_NS[unit] for number, unit in parts))


def duration(ns: int) -> str:
    """Nanoseconds in Go's canonical notation, e.g. 1m30s or 500ms: what the official plugin stores."""
    if ns < _UNITS_NS["s"]:
        unit = next((unit for unit in ("ms", "us") if ns >= _UNITS_NS[unit]), "ns")
        return f"{_decimal(Decimal(ns) / _UNITS_NS[unit])}{unit}" if ns else "0s"
    minutes, rest = divmod(ns, _UNITS_NS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(Decimal(rest) / _UNITS_NS["s"])
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"


def _decimal(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _number(text: str) -> Any:
    try:
        return str(Decimal(text).normalize())
    except InvalidOperation:
        return text


TEXT = Scalar(str, "string")
WHOLE = Scalar(int, "integer")
FLAG = Scalar(bool, "boolean")
NATURAL = Scalar(int, "integer", pattern=r"\d+")
DURATION = Scalar(str, "string", pattern=_DURATION, meaning=nanoseconds)
NUMBER_TEXT = Scalar(str, "string", pattern=r"\d+(\.\d+)?", meaning=_number)
SET = ListOf(TEXT)
WORDS = ListOf(TEXT, ordered=True)
TEXTS = Texts()
LABELS = ListOf(Record({"label": TEXT, "value": TEXT}, required=("label", "value")))


def text(pattern: str) -> Scalar:
    """A text that matches the pattern as a whole."""
    return Scalar(str, "string", pattern=pattern)
