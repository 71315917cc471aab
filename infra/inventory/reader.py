"""Reading and flattening: variables are inherited here, mistakes of all hosts are told together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from infra.config.types import PlaceName, Slug
from infra.errors import Finding, Severity
from infra.inventory.hosts import foreign, host_section
from infra.inventory.shape import Reader, is_own
from infra.inventory.tree import ALL, UNGROUPED, Group, Member, Tree

__all__ = ["flatten", "read_inventory"]

_LONGEST: Final = 40


def read_inventory(path: Path) -> tuple[Mapping[str, Any], list[Finding]]:
    """Read an inventory of Ansible (YAML, JSON or INI; a file, or a folder of them with group_vars/ and host_vars/).

    Returns what could stand below `hearth:inventory`: hosts with their variables already inherited, and groups.
    Never raises for what a file holds; all mistakes come back together.
    """
    # Most inventories stand in the stack file and need no reader of files.
    from infra.inventory.files import read_tree  # noqa: PLC0415

    tree = read_tree(path)
    found = [*tree.findings, *foreign(tree.written_variables(), inline=False)]
    if not tree.hosts and not any(finding.severity is Severity.ERROR for finding in found):
        found.append(Finding(str(path), "has no hosts", "write all: and below it hosts: with a name for each host"))
    inventory, problems = _inventory(tree, own=False)
    return inventory, _told(found + problems)


def flatten(tree: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], list[Finding]]:
    """Flatten an inventory that stands in a stack file, in Ansible's shape or in Hearth's (`hosts`, `groups`).

    In Hearth's shape groups may have vars too. What comes out is in Hearth's shape, and flattens to itself.
    """
    own = is_own(tree)
    grown = Tree()
    reader = Reader(grown, f"{where}.", inline=True)
    if own:
        reader.own(tree)
    else:
        reader.ansible(tree)
        grown.settle()
    found = [*grown.findings, *foreign(grown.written_variables(), inline=True)]
    inventory, problems = _inventory(grown, own=own)
    if own and "hosts" not in tree:
        inventory.pop("hosts")
    elif not own and not grown.hosts and not found:
        found.append(Finding(where, "has no hosts", "write all: and below it hosts: with a name for each host"))
    return inventory, _told(found + problems)


def _inventory(tree: Tree, *, own: bool) -> tuple[dict[str, Any], list[Finding]]:
    found: list[Finding] = []
    hosts: dict[str, Any] = {}
    variables = tree.variables()
    for name in sorted(tree.hosts):
        wrong = _wrong_name(tree.hosts[name])
        if wrong:
            found.append(wrong)
            continue
        hosts[name], problems = host_section(name, variables[name], over_ssh=not own)
        found += problems
    groups: dict[str, Any] = {}
    for name, group in sorted(tree.groups.items()):
        # Hearth's own shape has no implicit groups (so it isn't settled either), and flattens to itself.
        if own and not group.path:
            continue
        if name == UNGROUPED and not group.hosts and not group.children:
            continue
        if not _fits(_group_name(), name):
            fix = "use a-z, 0-9, - and _, and start with a letter"
            found.append(Finding(group.path, f"{name!r} can't be the name of a group in place:", fix, Severity.WARNING))
            continue
        groups[name] = _group_section(tree, group, own=own)
        if name in tree.hosts:
            fix = "rename one of them; place: would mean the host"
            found.append(Finding(group.path, f"{name!r} is a host and a group", fix, Severity.WARNING))
    return {"hosts": hosts, "groups": groups}, found


def _group_section(tree: Tree, group: Group, *, own: bool) -> dict[str, Any]:
    hosts = list(tree.hosts) if group.name == ALL and not own else list(group.hosts)
    hosts = sorted(name for name in hosts if name not in tree.hosts or _fits(_host_name(), name))
    children = sorted(name for name in group.children if own or _fits(_group_name(), name))
    if group.name == ALL and not own:
        children = []
    return {key: names for key, names in (("hosts", hosts), ("children", children)) if names}


def _wrong_name(host: Member) -> Finding | None:
    if _fits(_host_name(), host.name):
        return None
    first = host.written.partition("[")[0] or host.name
    alias = re.sub(r"[^a-z0-9]+", "-", first.partition(".")[0].lower()).strip("-")
    alias = (alias if alias[:1].isalpha() else f"host-{alias}")[:_LONGEST].strip("-")
    if "[" in host.written:
        fix = f"give its hosts names like {alias}-1, and each its address as ansible_host"
    else:
        fix = f"name it {alias} and add ansible_host: {host.name}"
    return Finding(host.path, f"{host.written!r} can't name a host in Hearth (a-z, 0-9 and -, at most {_LONGEST})", fix)


@cache
def _host_name() -> TypeAdapter[str]:
    return TypeAdapter(Slug)


@cache
def _group_name() -> TypeAdapter[str]:
    return TypeAdapter(PlaceName)


def _fits(name_type: TypeAdapter[str], name: str) -> bool:
    try:
        name_type.validate_python(name)
    except ValidationError:
        return False
    return True


def _told(found: list[Finding]) -> list[Finding]:
    """Return every finding once, in the order in which they came up."""
    return list(dict.fromkeys(found))
