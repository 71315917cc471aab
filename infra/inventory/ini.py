"""An INI inventory, with Ansible's rules for lines, quotes and types."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import dataclass, field
from typing import Any, Final

from infra.errors import Finding
from infra.inventory.patterns import PatternError, expand
from infra.inventory.tree import UNGROUPED, Tree, Variable

_SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP_NAME: Final = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_NO_LITERAL: Final = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_ASSIGNMENT_FIX: Final = "write name=value, without spaces around = on a host's line"


def literal(text: str) -> Any:
    """Return a value as Ansible types it: a Python literal where it is one (8, True, [1, 2]), else the text.

    Ansible's page on inventories says that values under `:vars` stay strings; ansible-core reads both places with
    this rule. What differs is quoting: a host's line loses its quotes first (`port="22"` is a number there).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except _NO_LITERAL:
        return text
    try:
        return _plain(value)
    except RecursionError:
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is ...:
        return "..."
    return str(value) if isinstance(value, complex) else value


@dataclass
class IniReader:
    """Reads one file, line by line."""

    tree: Tree
    at: str
    declared: set[str] = field(default_factory=lambda: {"all", UNGROUPED})
    wanted: dict[str, str] = field(default_factory=dict)
    where: str = ""

    def read(self, text: str) -> None:
        """Read all lines. The first ones, before any section, are hosts without a group."""
        group, kind = UNGROUPED, "hosts"
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.strip()
            self.where = f"{self.at}line {number}"
            if not line or line[0] in ";#":
                continue
            section = _SECTION.fullmatch(line)
            if section:
                group, kind = section[1], section[2] or "hosts"
                self._open(group, kind)
            elif line.startswith("[") and line.endswith("]"):
                self._find(f"{line} is no section", "write [group], [group:vars] or [group:children], without spaces")
                kind = ""
            elif kind == "vars":
                self._variable(group, line)
            elif kind == "children":
                self._child(group, line)
            elif kind == "hosts":
                self._hosts(group, line)
        for name, where in self.wanted.items():
            if name not in self.declared:
                self.tree.findings.append(
                    Finding(where, f"no section declares the group {name!r}", f"add [{name}] or correct the name")
                )

    def _open(self, group: str, kind: str) -> None:
        if kind not in {"hosts", "vars", "children"}:
            self._find(f"[{group}:{kind}] is of no known kind", "write [group], [group:vars] or [group:children]")
            return
        self.tree.group(group, self.where)
        if kind == "vars":
            self.wanted.setdefault(group, self.where)
        else:
            self.declared.add(group)

    def _variable(self, group: str, line: str) -> None:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            self._find(f"{line!r} sets no variable", "write name=value")
            return
        variable = Variable(literal(value), f"{self.where}: {name}")
        self.tree.set_group_variable(self.tree.groups[group], name, variable)

    def _child(self, group: str, line: str) -> None:
        match = _GROUP_NAME.fullmatch(line)
        if not match:
            self._find(f"{line!r} is no name of a group", "write one name in each line")
            return
        self.wanted.setdefault(match[1], self.where)
        self.tree.group(match[1], self.where)
        self.tree.add_child(self.tree.groups[group], match[1], self.where)

    def _hosts(self, group: str, line: str) -> None:
        try:
            pattern, *rest = shlex.split(line, comments=True) or [""]
            names, port = expand(pattern)
        except PatternError as error:
            problem, _, fix = str(error).partition("; ")
            self._find(problem, fix)
            return
        except ValueError as error:
            self._find(
                f"can't be split into words: {str(error).lower()}", "close the quote, or escape it with a backslash"
            )
            return
        variables = {}
        for word in rest:
            name, equals, value = word.partition("=")
            if name and equals:
                variables[name] = Variable(literal(value), f"{self.where}: {name}")
            else:
                self._find(f"{word!r} is no variable of a host", _ASSIGNMENT_FIX)
        for name in names:
            member = self.tree.add_host(self.tree.groups[group], name, self.where, pattern, port)
            member.vars.update(variables)

    def _find(self, problem: str, fix: str) -> None:
        self.tree.findings.append(Finding(self.where, problem, fix))
