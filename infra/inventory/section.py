"""`hearth:inventory` of a stack file, wherever it is written, in the one shape that the configuration checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from infra.config.load import Written
from infra.errors import Finding
from infra.inventory.reader import flatten, read_inventory

_KEY: Final = "inventory"
_PATH: Final = f"hearth:{_KEY}"


def with_inventory(written: Written) -> tuple[Written, list[Finding]]:
    """Replace the inventory by its flat form: an Ansible file that it names, or what stands in the stack file."""
    section = written.values.get(_KEY)
    if not isinstance(section, Mapping) or not section:
        return written, []
    name = section.get("file")
    if name is None:
        flat, findings = flatten(section, _PATH)
    elif isinstance(name, str) and set(section) == {"file"}:
        flat, findings = read_inventory(written.root / name)
    else:
        others = ", ".join(str(key) for key in section if key != "file") or "no text"
        problem = f"names a file and has {others} beside it"
        return written, [Finding(_PATH, problem, "write file: with a path alone, or the hosts here")]
    values: Mapping[str, Any] = {**written.values, _KEY: flat}
    return replace(written, values=values), findings
