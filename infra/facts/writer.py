"""Facts into the text of an inventory, without touching what people wrote there."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from infra.inventory import is_own

# What collecting replaces. Everything else of a host is hand-written, and stays.
FACT_KEYS: Final = ("cores", "memory", "numa_nodes", "cpu", "driver", "gpu_access", "device_groups", "disks", "gpus")
# What facts never choose, people have.
_CHOSEN: Final = {"gpu_access": "runtime"}


class _Dumper(yaml.SafeDumper):
    """Writes lists below their key, and no anchors: people read and edit this file."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class names it
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the base class names them
        super().increase_indent(flow, indentless=False)


def to_yaml(facts_by_host: Mapping[str, Mapping[str, Any]], existing: Mapping[str, Any]) -> str:
    """Return an inventory with the facts of these hosts: replaced where a host stands, else below a new name.

    `existing` may have Ansible's shape or Hearth's own. A host that stands only in a range (`gpu[01:16]`) gets its
    own entry below `all`, which Ansible merges with the range's. Nothing of a host without facts is changed.
    """
    merged = merge(facts_by_host, existing)
    return yaml.dump(merged, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def merge(facts_by_host: Mapping[str, Mapping[str, Any]], existing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inventory itself; `existing` stays as it is."""
    merged = copy.deepcopy(dict(existing))
    for name, facts in sorted(facts_by_host.items()):
        if not facts:
            continue
        home = _home_of(name, merged)
        hosts = _new_home(merged) if home is None else home
        before = hosts.get(name)
        kept = {key: value for key, value in before.items() if key not in FACT_KEYS} if isinstance(before, dict) else {}
        if home is None:
            # Where a host stands already, people have written how to reach it, and that beats how it was asked.
            kept = _way(name, facts.get("connection"), own=bool(existing) and is_own(existing))
        fresh = {key: value for key, value in facts.items() if key in FACT_KEYS}
        if isinstance(before, dict):
            fresh |= {key: value for key, value in _CHOSEN.items() if before.get(key) == value}
        hosts[name] = {**kept, **fresh}
    return merged


def _way(name: str, connection: Any, *, own: bool) -> dict[str, Any]:
    """Return how to reach a new host. Ansible has its own words, and warns of a variable that is named connection."""
    if not isinstance(connection, str):
        return {}
    if connection == "local" and not own:
        return {"ansible_connection": "local"}
    if own or not connection.startswith("ssh://"):
        return {"connection": connection}
    parts = urlsplit(connection)
    address = parts.hostname if parts.hostname != name else None
    words = {"ansible_host": address, "ansible_user": parts.username, "ansible_port": parts.port}
    return {key: value for key, value in words.items() if value is not None}


def _home_of(name: str, tree: Any) -> dict[Any, Any] | None:
    """Return the first `hosts` map, anywhere in the tree, that has a host under its own name."""
    queue = [tree]
    while queue:
        node = queue.pop(0)
        if not isinstance(node, dict):
            continue
        hosts = node.get("hosts")
        if isinstance(hosts, dict) and name in hosts:
            return hosts
        queue.extend(value for key, value in node.items() if key not in {"hosts", "vars"})
    return None


def _new_home(tree: dict[str, Any]) -> dict[Any, Any]:
    parent = tree
    if not tree or not is_own(tree):
        parent = _map_at(tree, "all")
    return _map_at(parent, "hosts")


def _map_at(parent: dict[str, Any], key: str) -> dict[Any, Any]:
    value = parent.get(key)
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, dict):
        value = {}
    parent[key] = value
    return value
