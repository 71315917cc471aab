"""`make doctor`: what is missing on this machine, why it matters, and the fix."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bootstrap import artifacts, docker_engine, paths, plugin, pulumi_cli, stack, venv

_DISK_WANTED_GIB: Final = 25
_MEMORY_WANTED_GIB: Final = 10
_FIX: Final = "make up brings it"


@dataclass(frozen=True)
class Item:
    """One thing looked at. Needed things that are missing make the machine unfit; `fix` says how to mend."""

    name: str
    found: str
    ok: bool
    needed: bool
    fix: str


def examine(name: str) -> list[Item]:
    """Look at everything that `make up` of a stack needs; nothing is changed."""
    python = sys.version.split()[0]
    items = [
        Item("python", python, sys.version_info >= (3, 11), needed=True, fix="install Python 3.11 or newer"),
        _item("python packages", "installed" if venv.is_ready() else ""),
        _item("docker engine", docker_engine.version()),
        _item("pulumi cli", pulumi_cli.found()),
        _item("docker plugin", plugin.in_use().replace("none", "")),
        _item(
            "go",
            shutil.which("go") or "",
            "install Go 1.24 or newer: it builds the CLI where Pulumi's site can't be reached",
        ),
        _space("disk", shutil.disk_usage(paths.ROOT).free / 2**30, _DISK_WANTED_GIB),
        _space("memory", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, _MEMORY_WANTED_GIB),
    ]
    if venv.is_ready():
        items += _of_stack(name)
    return items


def report(items: list[Item], *, as_json: bool) -> int:
    """Print what was found; return 1 when something that is needed is missing."""
    if as_json:
        print(json.dumps([asdict(item) for item in items], indent=2))
    for item in items if not as_json else []:
        mark = "✓" if item.ok else "✗" if item.needed else "!"
        print(f"{mark} {item.name}: {item.found or 'missing'}" + ("" if item.ok else f". {item.fix}."))
    return int(any(item.needed and not item.ok for item in items))


def _of_stack(name: str) -> list[Item]:
    if not (paths.ROOT / f"Pulumi.{name}.yaml").exists():
        return [Item("stack file", "", ok=False, needed=True, fix=f"make Pulumi.{name}.yaml")]
    running = len(stack.labelled(name, "container"))
    items = [Item("containers", f"{running} of {name}", ok=True, needed=False, fix="")]
    if docker_engine.version():
        rows = artifacts.wanted(name)
        absent = [row["reference"] for row in rows if not artifacts.is_there(row["reference"])]
        found = f"{len(rows) - len(absent)} of {len(rows)} there"
        items.append(Item("images", found, ok=not absent, needed=False, fix=f"{_FIX}: {', '.join(absent)}"))
    return items


def _item(name: str, found: str, fix: str = _FIX) -> Item:
    return Item(name, found, bool(found), needed=fix == _FIX, fix=fix)


def _space(name: str, free_gib: float, wanted_gib: int) -> Item:
    fix = f"the local stack wants {wanted_gib} GiB; free some, or declare fewer engines"
    return Item(name, f"{free_gib:.0f} GiB", free_gib >= wanted_gib, needed=False, fix=fix)


def docker_package_note() -> str:
    """Say, before anything happens, what is touched outside the checkout."""
    where = Path(paths.HOME).name
    if docker_engine.version():
        return f"Everything is made below {where} and .venv of this checkout; Docker is there already."
    return f"Everything is made below {where} and .venv of this checkout; outside of it only Docker's Debian packages are installed."
