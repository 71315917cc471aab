"""The files of an inventory: one of YAML, JSON or INI, or a folder of them, with group_vars/ and host_vars/ beside."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from infra.errors import Finding, Severity
from infra.inventory.ini import IniReader
from infra.inventory.shape import Reader
from infra.inventory.tree import Tree, Variable, Vault

_YAML_ENDINGS: Final = (".yaml", ".yml", ".json")
# What ansible-core 2.19 passes over in a folder.
_PASSED_OVER: Final = re.compile(
    r"^\.|^(host_vars|group_vars|vars_plugins)$|(\.(pyc|pyo|swp|bak|rpm|md|txt|rst|orig|cfg|retry)|~)$"
)
_VAULT_HEADER: Final = "$ANSIBLE_VAULT"
# PyYAML lets these out for some texts (`2024-13-45`, `!!int x`, very long numbers, very deep nesting).
_BAD_TEXT: Final = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Safe YAML, with the tags that Ansible adds."""

    def vault(self, _: yaml.Node) -> Vault:
        """Read `!vault`: the secret stays unread."""
        return Vault()

    def unsafe(self, node: yaml.Node) -> Any:
        """Read `!unsafe`, which only keeps Ansible from seeing templates in the value."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.yaml_constructors = {
    **yaml.SafeLoader.yaml_constructors,
    "!vault": _Loader.vault,
    "!vault-encrypted": _Loader.vault,
    "!unsafe": _Loader.unsafe,
}


def read_tree(path: Path) -> Tree:
    """Read an inventory, a file or a folder; what is wrong stands in the tree's findings."""
    tree = Tree()
    if path.is_dir():
        _read_folder(tree, path)
    else:
        _guarded(tree, path, partial(_read_inventory, tree, path))
    tree.settle()
    base = path if path.is_dir() else path.parent
    for group in tree.groups.values():
        for file in _variable_files(base / "group_vars", group.name):
            _guarded(tree, file, partial(_read_variables, tree, file, group.file_vars))
    for host in tree.hosts.values():
        for file in _variable_files(base / "host_vars", host.name):
            _guarded(tree, file, partial(_read_variables, tree, file, host.file_vars))
    return tree


def parse(text: str) -> Any:
    """Read JSON or YAML; raises one of the errors that `_guarded` turns into findings."""
    if text.lstrip().startswith(("{", "[")):
        try:
            return _plain(json.loads(text), {})
        except json.JSONDecodeError:
            pass
    return _plain(yaml.load(text, Loader=_Loader), {})  # noqa: S506 - a SafeLoader with three more tags


def _read_folder(tree: Tree, folder: Path) -> None:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if _PASSED_OVER.search(entry.name):
            continue
        if entry.is_dir():
            _guarded(tree, entry, partial(_read_folder, tree, entry))
        else:
            _guarded(tree, entry, partial(_read_inventory, tree, entry))


def _read_inventory(tree: Tree, path: Path) -> None:
    text = path.read_text(encoding="utf-8-sig")
    at = f"{path}: "
    if text.startswith("#!"):
        fix = f"store what it prints: ansible-inventory -i {path} --list --yaml --export > hosts.yaml"
        tree.findings.append(Finding(str(path), "is a program that prints an inventory; Hearth runs none", fix))
    elif text.startswith(_VAULT_HEADER):
        tree.findings.append(Finding(str(path), "is encrypted", "keep hosts in plain text and secrets in group_vars/"))
    elif path.suffix == ".toml":
        tree.findings.append(Finding(str(path), "is TOML, which isn't read", "write the inventory in YAML or INI"))
    elif path.suffix in _YAML_ENDINGS:
        data = parse(text)
        if isinstance(data, Mapping):
            Reader(tree, at).ansible(data)
        else:
            problem = "is empty" if data is None else "has no groups at the top"
            tree.findings.append(
                Finding(str(path), problem, "write all: and below it hosts: with a name for each host")
            )
    elif not path.suffix and (data := _mapping_or_none(text)) is not None:
        Reader(tree, at).ansible(data)
    else:
        IniReader(tree, at).read(text)


def _mapping_or_none(text: str) -> Mapping[Any, Any] | None:
    """Return the mapping that a file without an ending holds; None for INI, which is no YAML or no mapping."""
    try:
        data = parse(text)
    except _BAD_TEXT:
        return None
    return data if isinstance(data, Mapping) else None


def _read_variables(tree: Tree, path: Path, variables: dict[str, Variable]) -> None:
    """Add the variables of one file of group_vars/ or host_vars/."""
    text = path.read_text(encoding="utf-8-sig")
    if text.startswith(_VAULT_HEADER):
        fix = "keep what Hearth needs (addresses, users, cards) in a plain file beside it"
        problem = "is encrypted; its variables are not read"
        tree.findings.append(Finding(str(path), problem, fix, Severity.WARNING))
        return
    data = parse(text)
    if isinstance(data, Mapping):
        variables.update({str(name): Variable(value, f"{path}: {name}") for name, value in data.items()})
    elif data is not None:
        tree.findings.append(Finding(str(path), "holds no variables by name", "write each as name: value"))


def _variable_files(folder: Path, name: str) -> list[Path]:
    """Return the files of one group or host: NAME, NAME.yml, NAME.yaml or NAME.json, the first that is there."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        return []
    for ending in ("", ".yml", ".yaml", ".json"):
        path = folder / f"{name}{ending}"
        try:
            if path.is_dir():
                return _files_below(path)
            if path.exists():
                return [path]
        except OSError:
            return []
    return []


def _files_below(folder: Path) -> list[Path]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir() and not entry.suffix:
            found += _files_below(entry)
        elif entry.is_file() and entry.suffix in {"", ".yml", ".yaml", ".json"}:
            found.append(entry)
    return found


def _guarded(tree: Tree, path: Path, read: Callable[[], None]) -> None:
    """Read one file; whatever is wrong with it becomes a finding, and the others are read as well."""
    try:
        read()
    except OSError as error:
        tree.findings.append(Finding(str(path), f"can't be read: {error.strerror or error}", "name a file or a folder"))
    except UnicodeDecodeError as error:
        problem = f"is no UTF-8 text (byte {error.start})"
        tree.findings.append(Finding(str(path), problem, "store it as UTF-8"))
    except RecursionError:
        tree.findings.append(Finding(str(path), "is nested too deeply", "write it flatter"))
    except _BAD_TEXT as error:
        problem = f"can't be read: {' '.join(str(error).split())[:200]}"
        tree.findings.append(Finding(str(path), problem, "mend the place that it names"))


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """Turn YAML's further types into those of JSON. A value that holds itself (`&a [*a]`) is refused."""
    if isinstance(value, dict | list | set | tuple):
        if id(value) in seen:
            if seen[id(value)] is None:
                msg = "a value holds itself through an alias"
                raise ValueError(msg)
            return seen[id(value)]
        seen[id(value)] = None
        made: Any
        if isinstance(value, dict):
            made = {key: _plain(item, seen) for key, item in value.items()}
        else:
            made = [_plain(item, seen) for item in value]
        seen[id(value)] = made
        return made
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value.decode(errors="replace") if isinstance(value, bytes) else value
