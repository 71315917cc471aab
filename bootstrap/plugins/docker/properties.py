"""What all resource types share: a table of its properties, and check, diff and observe that follow from the table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from .daemon import Daemon
from .shapes import NOT_HERE, ListOf, Problem, Record, Shape, Texts
from .values import UNKNOWN, Properties, Secret, has_secret, has_unknown, plain

Inspect = Mapping[str, Any]
Reader = Callable[[Inspect, Properties], Any]
"""From what the daemon reports and what is known of the resource (plain) to the property's value; None: not set."""
Writer = Callable[[dict[str, Any], Any], None]
"""Puts a property's value into the body of the daemon's create call."""


class Rule(Enum):
    """What a changed input asks for."""

    REPLACE = "replace"
    UPDATE = "update"
    STATE = "state only"
    OUTPUT = "no input"


@dataclass(frozen=True)
class Property:
    """One row of a resource type's table.

    computed: when the input is left out, the daemon's choice stands. read_if_set: read back only where an input asked for it, because the
    daemon reports more than was asked. default: filled in by check. same: compares input and state where their canon is too strict.
    sticky: the daemon can change the value of a running container but not take it away, so taking the input away replaces.
    """

    shape: Shape
    rule: Rule
    write: Writer | None = None
    read: Reader | None = None
    computed: bool = False
    read_if_set: bool = False
    default: Any = None
    required: bool = False
    same: Callable[[Any, Any], bool] | None = None
    sticky: bool = False

    @property
    def empty(self) -> Any:
        """What the state holds where nothing is set."""
        return [] if isinstance(self.shape, ListOf) else {} if isinstance(self.shape, Texts) else None


class Resource(Protocol):
    """A resource type: its table and what the table can't say."""

    kind: str
    table: Mapping[str, Property]
    delete_before_replace: bool

    def inspect(self, daemon: Daemon, ident: str, known: Properties) -> Inspect | None:
        """What the daemon knows of the resource; None when it is gone."""

    def ident(self, seen: Inspect, known: Properties) -> str:
        """The id in the state."""

    def create(self, daemon: Daemon, wanted: Properties, call: "Call") -> str:
        """Makes the resource and returns the name by which `inspect` finds it. Leaves nothing behind when it raises."""

    def settle(self, daemon: Daemon, ident: str, wanted: Properties, call: "Call") -> None:
        """Waits until the resource is as wanted; what it raises leaves the resource in place, marked as not initialized."""

    def update(self, daemon: Daemon, ident: str, wanted: Properties, call: "Call") -> None:
        """Brings the changed inputs that need no replacement to the running resource."""

    def delete(self, daemon: Daemon, ident: str, known: Properties, call: "Call") -> None:
        """Removes the resource; fine when it is gone already."""


class Call(Protocol):
    """The operation that the engine asked for."""

    def limit_s(self) -> float | None:
        """Seconds that are left of the resource's own time-out; None without one."""

    def check_cancelled(self) -> None:
        """Raises when the user interrupted the update."""

    def progress(self, text: str) -> None:
        """Shows what takes long in the resource's line of the display."""


def check(resource: Resource, inputs: Properties) -> tuple[Properties, list[Problem]]:
    """The inputs with their defaults, and everything wrong with them."""
    filled = {name: row.default for name, row in resource.table.items() if row.default is not None} | inputs
    return filled, list(_problems(resource, filled))


def _problems(resource: Resource, inputs: Properties) -> Iterator[Problem]:
    for name, row in resource.table.items():
        if row.required and inputs.get(name) is None:
            yield name, "is missing"
    for name, value in inputs.items():
        found = resource.table.get(name)
        if found is None or found.rule is Rule.OUTPUT:
            if not name.startswith("__"):
                yield name, NOT_HERE
        else:
            yield from found.shape.problems(value, name)


def changes(resource: Resource, state: Properties, inputs: Properties) -> dict[str, Rule]:
    """The inputs that differ in meaning from the state, with what each asks for."""
    return {
        name: Rule.REPLACE if row.sticky and row.shape.canon(plain(inputs.get(name))) is None else row.rule
        for name, row in resource.table.items()
        if row.rule is not Rule.OUTPUT and _differs(row, state.get(name), inputs.get(name))
    }


def _differs(row: Property, old: Any, new: Any) -> bool:
    if has_unknown(new):
        return True
    old, new = plain(old), plain(new)
    if row.shape.canon(new) is None and row.computed:
        return False
    if row.same is not None and new and old:
        return not row.same(new, old)
    return bool(row.shape.canon(old) != row.shape.canon(new))


def places(shape: Shape, old: Any, new: Any, path: str) -> Iterator[str]:
    """Where inside a property two values differ, so that a preview shows one line of a long list and not the whole list twice."""
    bare_old, bare_new = (value.value if isinstance(value, Secret) else value for value in (old, new))
    if (
        isinstance(shape, ListOf)
        and isinstance(bare_old, list)
        and isinstance(bare_new, list)
        and len(bare_old) == len(bare_new)
    ):
        for index, pair in enumerate(zip(bare_old, bare_new, strict=True)):
            yield from places(shape.item, *pair, f"{path}[{index}]")
    elif isinstance(shape, Record) and isinstance(bare_old, dict) and isinstance(bare_new, dict):
        filled_old, filled_new = shape.complete(bare_old), shape.complete(bare_new)
        for name, field in shape.fields.items():
            yield from places(field, filled_old.get(name), filled_new.get(name), f"{path}.{name}")
    elif has_unknown(new) or shape.canon(plain(old)) != shape.canon(plain(new)):
        yield path


def previewed(resource: Resource, inputs: Properties, state: Properties | None = None) -> Properties:
    """The outputs as far as they are known before anything is done."""
    outputs: Properties = {}
    for name, row in resource.table.items():
        if inputs.get(name) is not None:
            outputs[name] = row.shape.complete(inputs[name])
        elif row.rule is Rule.OUTPUT or row.computed:
            outputs[name] = UNKNOWN if state is None else state.get(name)
    return outputs


def observed(resource: Resource, seen: Inspect, known: Properties) -> Properties:
    """The outputs: what the daemon reports, in the words of `known` (inputs or state) wherever the two mean the same.

    Keeping the known words keeps the order of sets, the user's notation and the marks of secrecy.
    """
    outputs: Properties = {}
    bare = plain(known)
    for name, row in resource.table.items():
        old, new = known.get(name), bare.get(name)
        if row.read is not None and (new or not row.read_if_set):
            new = row.read(seen, bare)
        if old is None or row.shape.canon(new) != row.shape.canon(bare.get(name)):
            old = Secret(new) if has_secret(old) else new
        outputs[name] = row.shape.complete(row.empty if old is None else old)
    return outputs


def drifted_inputs(resource: Resource, inputs: Properties, outputs: Properties) -> Properties:
    """The inputs after a read: each that was given and reads differently takes the value that was read."""
    fresh = dict(inputs)
    for name, row in resource.table.items():
        if name in inputs and row.read is not None:
            new = outputs.get(name)
            if row.shape.canon(plain(new)) != row.shape.canon(plain(inputs[name])):
                fresh[name] = new
    return fresh


def imported_inputs(resource: Resource, outputs: Properties) -> Properties:
    """The inputs that would have made a resource that was found: what is set and is no output."""
    defaults = {name: row.default for name, row in resource.table.items() if row.default is not None}
    found = {
        name: outputs[name]
        for name, row in resource.table.items()
        if row.rule is not Rule.OUTPUT and row.shape.canon(outputs.get(name)) is not None
    }
    return defaults | found


def at(
    path: str, to: Callable[[Any], Any] = lambda value: value, back: Callable[[Any], Any] = lambda value: value
) -> tuple[Writer, Reader]:
    """Writer and reader of a value that stands at a dotted path of the daemon's objects, with the conversions each way.

    What the daemon reports under Config is what its create call takes at the top level.
    """
    names = path.split(".")
    inside = names[1:] if names[0] == "Config" else names

    def write(body: dict[str, Any], value: Any) -> None:
        for name in inside[:-1]:
            body = body.setdefault(name, {})
        body[inside[-1]] = to(value)

    def read(seen: Inspect, _known: Properties) -> Any:
        found: Any = seen
        for name in names:
            found = found.get(name) if found else None
        return None if found is None else back(found)

    return write, read
