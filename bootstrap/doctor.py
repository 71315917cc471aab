"""`make doctor`: what is missing on this machine, why it matters, and the fix."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bootstrap import artifacts, console, docker_engine, leftovers, paths, plugin, probe, pulumi_cli, stack, venv

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
    cli = pulumi_cli.found()
    items = [
        Item("python", python, sys.version_info >= (3, 11), needed=True, fix="install Python 3.11 or newer"),
        _item("python packages", "installed" if venv.is_ready() else ""),
        _docker(),
        _item("pulumi cli", cli),
        _item("docker plugin", plugin.in_use().replace("none", "")),
        *([] if cli else [_go()]),
        _sites(),
        _space("disk", shutil.disk_usage(paths.ROOT).free / 2**30, _DISK_WANTED_GIB),
        _space("memory", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, _MEMORY_WANTED_GIB),
    ]
    if not (paths.ROOT / f"Pulumi.{name}.yaml").exists():
        return [*items, Item("stack file", "", ok=False, needed=True, fix=f"make Pulumi.{name}.yaml")]
    if artifacts.needs_model(name):
        items.append(_item("embeddings model", "unpacked" if artifacts.model_is_there() else ""))
    return items + (_of_stack(name) if venv.is_ready() else [])


def report(items: list[Item], *, as_json: bool) -> int:
    """Print what was found; return 1 when something that is needed is missing."""
    if as_json:
        print(json.dumps([asdict(item) for item in items], indent=2))
    for item in items if not as_json else []:
        mark = "✓" if item.ok else "✗" if item.needed else "!"
        print(f"{mark} {item.name}: {item.found or 'missing'}" + ("" if item.ok else f". {item.fix}."))
    return int(any(item.needed and not item.ok for item in items))


def _of_stack(name: str) -> list[Item]:
    locks = [f"pid {lock.pid} on {lock.host}" for lock in leftovers.locks(name)]
    fix = f"make up waits for a run that is at work and clears what a killed one left ({', '.join(locks)})"
    items = [Item("stack lock", "free" if not locks else "held", ok=not locks, needed=False, fix=fix)]
    try:
        rows = artifacts.wanted(name)
    except console.StepError as error:
        return [*items, Item("declaration", "has mistakes", ok=False, needed=True, fix=f"mend them: {error}")]
    items.append(Item("declaration", "nothing wrong", ok=True, needed=True, fix=""))
    unset = [row["name"] for row in stack.secrets_of(name) if not row["set"]]
    fix = f"make up makes what can be made up, and says how to set the rest: {', '.join(unset)}"
    items.append(Item("secrets", "all set" if not unset else f"{len(unset)} not set", not unset, needed=True, fix=fix))
    if docker_engine.version():
        absent = sorted({row["reference"] for row in rows if not artifacts.is_there(row["reference"])})
        there = len({row["reference"] for row in rows}) - len(absent)
        found = f"{there} of {there + len(absent)} there"
        items.append(Item("images", found, ok=not absent, needed=False, fix=f"{_FIX}: {', '.join(absent)}"))
        running = len(leftovers.labelled(name, "container"))
        items.append(Item("containers", f"{running} of {name}", ok=True, needed=False, fix=""))
    return items


def _docker() -> Item:
    found = docker_engine.version()
    can = console.is_root() and shutil.which("apt-get")
    fix = _FIX if can or shutil.which("dockerd") else "install Docker Engine, or run make up as root on Debian"
    return Item("docker engine", found, bool(found), needed=True, fix=fix)


def _go() -> Item:
    found = shutil.which("go") or ""
    blind = not probe.reachable(probe.PULUMI)
    fix = "install Go 1.26 or newer: it builds the CLI where Pulumi's site can't be reached"
    return Item("go", found, bool(found) or not blind, needed=blind, fix=fix)


def _sites() -> Item:
    known = {site: probe.reachable(site) for site in (probe.PULUMI, probe.IMAGES)}
    away = [site for site, answers in known.items() if not answers]
    fix = "nothing to do: what they would give is built from packages"
    found = "reached" if not away else f"not reached: {', '.join(away)}"
    return Item("official sites", found, ok=not away, needed=False, fix=fix)


def _item(name: str, found: str, fix: str = _FIX) -> Item:
    return Item(name, found, bool(found), needed=True, fix=fix)


def _space(name: str, free_gib: float, wanted_gib: int) -> Item:
    fix = f"the local stack wants {wanted_gib} GiB; free some, or declare fewer engines"
    return Item(name, f"{free_gib:.0f} GiB", free_gib >= wanted_gib, needed=False, fix=fix)


def docker_package_note() -> str:
    """Say, before anything happens, what is touched outside the checkout."""
    where = Path(paths.HOME).name
    if docker_engine.version():
        return f"Everything is made below {where} and .venv of this checkout; Docker is there already."
    return f"Everything is made below {where} and .venv of this checkout; outside of it only Docker's Debian packages are installed."
