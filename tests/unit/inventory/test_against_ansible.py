"""What Hearth makes of an inventory, against what Ansible made of it.

`cases/NAME/` is an inventory, `cases/NAME.expected.json` what `ansible-inventory --list` printed for it, recorded by
`record.sh` with the version in `cases/recorded-with.txt` (ansible-core 2.19.14). Ansible itself is not needed here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.errors import Severity
from infra.inventory.files import read_tree

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())


def source(name: str) -> Path:
    folder = CASES / name
    return next(path for path in [folder / "inventory", *sorted(folder.glob("hosts*"))] if path.exists())


def recorded(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CASES / f"{name}.expected.json").read_text(encoding="utf-8"))
    return loaded


def unsafe_removed(value: Any) -> Any:
    """Ansible marks what `!unsafe` protects; Hearth only wants the text."""
    if isinstance(value, dict):
        return value.get("__ansible_unsafe") or {key: unsafe_removed(item) for key, item in value.items()}
    return [unsafe_removed(item) for item in value] if isinstance(value, list) else value


def test_every_case_has_a_record_and_there_are_enough() -> None:
    assert {f"{name}.expected.json" for name in NAMES} == {path.name for path in CASES.glob("*.json")}
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_every_host_has_the_variables_that_ansible_gives_it(name: str) -> None:
    expected = {host: unsafe_removed(found) for host, found in recorded(name)["_meta"]["hostvars"].items()}
    tree = read_tree(source(name))
    ours = {
        host: {key: variable.value for key, variable in found.items()}
        for host, found in tree.variables().items()
        if found
    }
    assert json.loads(json.dumps(ours)) == expected
    assert [finding for finding in tree.findings if finding.severity is Severity.ERROR] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_group_has_the_hosts_and_children_that_ansible_gives_it(name: str) -> None:
    expected = {
        group: (set(members.get("hosts", ())), set(members.get("children", ())))
        for group, members in recorded(name).items()
        if group != "_meta"
    }
    groups = read_tree(source(name)).groups.values()
    # `--list` leaves the hosts written directly below all: to the other groups, ungrouped among them.
    ours = {group.name: (set(group.hosts) if group.name != "all" else set(), set(group.children)) for group in groups}
    # Ansible lists no group without members, other than as a child.
    assert {group: members for group, members in ours.items() if any(members)} == {
        group: members for group, members in expected.items() if any(members)
    }
