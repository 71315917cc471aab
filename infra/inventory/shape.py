"""An inventory's mapping, in Ansible's shape or in Hearth's own, into a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.config.load import nearest
from infra.errors import Finding, Severity
from infra.inventory.patterns import PatternError, expand
from infra.inventory.tree import Group, Tree, Variable

_SECTIONS: Final = ("hosts", "vars", "children")
_OWN: Final = ("hosts", "groups")
_DYNAMIC_FIX: Final = "store the inventory itself: ansible-inventory -i SOURCE --list --yaml --export > hosts.yaml"


def is_own(tree: Mapping[Any, Any]) -> bool:
    """Whether a mapping is in Hearth's shape: `hosts` and `groups` at the top instead of groups by name."""
    return any(key in tree for key in _OWN) or not tree


@dataclass(frozen=True)
class Reader:
    """Reads one mapping. `at` starts every path (`hosts.yaml: ` or `hearth:inventory.`).

    Inline, Hearth's rule holds that a typo is an error; in a file, Ansible's that it is a warning.
    """

    tree: Tree
    at: str
    inline: bool = False

    def ansible(self, data: Mapping[Any, Any]) -> None:
        """Read Ansible's shape: groups by name, each with hosts, vars and children."""
        for key in ("_meta", "plugin"):
            if key in data:
                what = "is what a program prints (a dynamic inventory)" if key == "_meta" else "names a plugin"
                self._find(key, f"{what}; it can't be read without Ansible", _DYNAMIC_FIX)
                return
        for name, content in data.items():
            self._group(name, content, f"{name}")

    def own(self, data: Mapping[Any, Any]) -> None:
        """Read Hearth's shape; groups may name their hosts in a list."""
        for key in data:
            if key not in _OWN:
                self._find(f"{key}", "is unknown", nearest(str(key), _OWN))
        self._hosts(self.tree.groups["all"], data.get("hosts"), "hosts")
        groups = data.get("groups")
        for name, content in self._mapping(groups, "groups").items():
            self._group(name, content, f"groups.{name}")

    def _group(self, name: Any, content: Any, path: str) -> None:
        if not isinstance(name, str) or not name:
            self._find(path, f"{name!r} is no name of a group", "write it in quotes")
            return
        group = self.tree.group(name, self.at + path)
        # In the order of the keys: where two places set one variable of a host, the later one wins.
        for key, section in self._mapping(content, path).items():
            if key == "vars":
                for variable, value in self._mapping(section, f"{path}.vars").items():
                    where = f"{self.at}{path}.vars.{variable}"
                    self.tree.set_group_variable(group, str(variable), Variable(value, where))
            elif key == "hosts":
                self._hosts(group, section, f"{path}.hosts")
            elif key == "children":
                self._children(group, section, f"{path}.children")
            else:
                severity = Severity.ERROR if self.inline else Severity.WARNING
                self._find(f"{path}.{key}", "is unknown in a group", nearest(str(key), _SECTIONS), severity)

    def _children(self, group: Group, children: Any, path: str) -> None:
        if self.inline and isinstance(children, list | tuple):
            for name in self._names(children, path):
                self.tree.add_child(group, name, self.at + path)
            return
        for name, content in self._mapping(children, path).items():
            # The edge first: in a circle the finding then names the innermost place, which is the one too many.
            if isinstance(name, str) and name:
                self.tree.add_child(
                    group, self.tree.group(name, f"{self.at}{path}.{name}").name, f"{self.at}{path}.{name}"
                )
            self._group(name, content, f"{path}.{name}")

    def _hosts(self, group: Group, hosts: Any, path: str) -> None:
        if self.inline and isinstance(hosts, list | tuple):
            group.hosts.update(dict.fromkeys(self._names(hosts, path)))
            return
        for pattern, variables in self._mapping(hosts, path).items():
            where = f"{path}.{pattern}"
            if not isinstance(pattern, str):
                self._find(where, f"{pattern!r} is no name of a host", "write it in quotes")
                continue
            try:
                names, port = expand(pattern)
            except PatternError as error:
                problem, _, fix = str(error).partition("; ")
                self._find(where, problem, fix)
                continue
            values = self._mapping(variables, where)
            for name in names:
                member = self.tree.add_host(group, name, self.at + where, pattern, port)
                for key, value in values.items():
                    member.vars[str(key)] = Variable(value, f"{self.at}{where}.{key}")

    def _names(self, names: Iterable[Any], path: str) -> list[str]:
        good = [name for name in names if isinstance(name, str)]
        for name in names:
            if not isinstance(name, str):
                self._find(path, f"{name!r} is no name", "write it in quotes")
        return good

    def _mapping(self, value: Any, path: str) -> Mapping[Any, Any]:
        """Return a mapping; nothing is an empty one and a lone name a mapping with that key, as in Ansible."""
        if value is None:
            return {}
        if isinstance(value, str) and path.rpartition(".")[2] in {"hosts", "children"}:
            return {value: None}
        if isinstance(value, Mapping):
            return value
        kind = "a list" if isinstance(value, list | tuple) else repr(value)[:60]
        self._find(
            path, f"is {kind}, where keys with values belong", "write `name:` for each, also where nothing follows"
        )
        return {}

    def _find(self, path: str, problem: str, fix: str, severity: Severity = Severity.ERROR) -> None:
        self.tree.findings.append(Finding(self.at + path, problem, fix, severity))
