"""A changed input replaces the container, changes it in place, or touches only the state: as Hearth's documentation promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest

from tests.integration.plugin.cases import CHANGES, IN_PLACE, REPLACED, STATE_ONLY, UNCHANGED, Change
from tests.integration.plugin.stack import (
    IMAGE,
    Planned,
    Resource,
    Stack,
    container,
    docker,
    image,
    inspect,
    network,
    volume,
)

pytestmark = pytest.mark.integration


def _row(index: int) -> str:
    return f"row{index}"


def _resources(stack: Stack, *, after: bool) -> list[Resource]:
    """One container per case, made but not started: whether it runs plays no part here."""
    rows = []
    for index, change in enumerate(CHANGES):
        asleep = {"start": False, "must_run": False}
        inputs = asleep | (change.after if after else change.before)
        row = container(_row(index), stack.name(_row(index)), **inputs)
        for endpoint in row["inputs"].get("networks_advanced", []):
            endpoint["name"] = stack.name("net")
        forced = {"replace_on_changes": change.forced, "delete_before_replace": True} if change.forced else {}
        rows.append(row | {"options": forced})
    return [network("net", stack.name("net")), *rows]


@dataclass
class Outcome:
    """What a preview said of all cases, and what `up` then did."""

    preview: Planned
    ids_before: list[str]
    ids_after: list[str]
    seen: list[dict[str, Any]]
    second: Planned


@pytest.fixture(scope="module")
def outcome(shared_stack: Stack) -> Outcome:
    docker("tag", IMAGE, IMAGE + "-other")
    names = [shared_stack.name(_row(index)) for index in range(len(CHANGES))]
    shared_stack.declare(*_resources(shared_stack, after=False))
    shared_stack.up().check()
    before = [str(inspect(name)["Id"]) for name in names]
    shared_stack.declare(*_resources(shared_stack, after=True))
    preview = shared_stack.preview()
    shared_stack.up().check()
    seen = [inspect(name) for name in names]
    second = shared_stack.preview()
    docker("rmi", IMAGE + "-other", check=False)
    return Outcome(preview, before, [str(one["Id"]) for one in seen], seen, second)


def _cases(changes: tuple[Change, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("change", changes, ids=[change.name for change in changes])


def _at(seen: Any, path: str) -> Any:
    return reduce(lambda found, key: found[int(key)] if key.isdecimal() else found[key], path.split("."), seen)


@_cases(REPLACED)
def test_a_preview_announces_the_replacement(outcome: Outcome, change: Change) -> None:
    assert outcome.preview.operations[_row(CHANGES.index(change))] == "replace"


@_cases(REPLACED)
def test_up_makes_a_new_container(outcome: Outcome, change: Change) -> None:
    index = CHANGES.index(change)
    assert outcome.ids_before[index] != outcome.ids_after[index]


@_cases((*IN_PLACE, *STATE_ONLY))
def test_a_preview_announces_the_update(outcome: Outcome, change: Change) -> None:
    assert outcome.preview.operations[_row(CHANGES.index(change))] == "update"


@_cases((*IN_PLACE, *STATE_ONLY))
def test_up_keeps_the_container(outcome: Outcome, change: Change) -> None:
    index = CHANGES.index(change)
    assert outcome.ids_before[index] == outcome.ids_after[index]


@_cases(tuple(change for change in CHANGES if change.live))
def test_docker_has_the_new_value(outcome: Outcome, change: Change) -> None:
    assert change.live is not None
    path, value = change.live
    assert _at(outcome.seen[CHANGES.index(change)], path) == value


@_cases(UNCHANGED)
def test_another_way_to_say_the_same_is_no_change(outcome: Outcome, change: Change) -> None:
    assert outcome.preview.operations.get(_row(CHANGES.index(change)), "same") == "same"


def test_the_preview_after_all_changes_is_empty(outcome: Outcome) -> None:
    assert outcome.second.code == 0, outcome.second.changed


@pytest.fixture(scope="module")
def base(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A network, a volume, an image and the container that uses them."""
    del tiny
    made = Stack(tmp_path_factory.mktemp("base"))
    made.declare(*_linked(made))
    made.up().check()
    yield made
    made.remove()


def _linked(stack: Stack, **changed: Any) -> list[Resource]:
    return [
        network("net", stack.name("net"), **changed.get("net", {})),
        volume("vol", stack.name("vol"), **changed.get("vol", {})),
        image("img", changed.get("img", IMAGE)),
        container(
            "c",
            stack.name("c"),
            image={"$output": "img.image_id"},
            networks_advanced=[{"name": {"$output": "net.name"}}],
            volumes=[{"container_path": "/data", "volume_name": {"$output": "vol.name"}}],
        ),
    ]


@pytest.mark.parametrize("kind", ["net", "vol"])
def test_changed_labels_replace_a_network_or_volume_and_with_it_the_container(base: Stack, kind: str) -> None:
    base.declare(*_linked(base, **{kind: {"labels": [{"label": "a", "value": "b"}]}}))
    planned = base.preview()
    assert (planned.operations[kind], planned.operations["c"]) == ("replace", "replace")


def test_another_image_replaces_image_and_container(base: Stack) -> None:
    docker("tag", IMAGE, IMAGE + "-moved")
    base.declare(*_linked(base, img=IMAGE + "-moved"))
    planned = base.preview()
    docker("rmi", IMAGE + "-moved", check=False)
    assert (planned.operations["img"], planned.operations["c"]) == ("replace", "replace")


def test_a_new_network_between_them_can_be_applied(base: Stack) -> None:
    base.declare(*_linked(base, net={"labels": [{"label": "new", "value": "one"}]}))
    base.up().check()
    assert base.preview().code == 0
