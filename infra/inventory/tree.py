"""Groups, hosts and variables as Ansible understands them: who is in what, and whose value wins."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from infra.errors import Finding

ALL: Final = "all"
UNGROUPED: Final = "ungrouped"
_PRIORITY: Final = "ansible_group_priority"


@dataclass(frozen=True)
class Variable:
    """A value and the place where it was written, which is where a finding sends people."""

    value: Any
    path: str


@dataclass(frozen=True)
class Vault:
    """A value that only ansible-vault can read."""


@dataclass
class Group:
    """A group while files are read; without a path, one that nobody wrote (`all`, `ungrouped`).

    `file_vars` are those of group_vars/, which beat every inventory file.
    `hosts` and `children` keep the order of the files; a name may be unknown to the tree when Hearth's own shape
    (which refers to hosts by name) is wrong: the check of the whole configuration reports it.
    """

    name: str
    path: str
    vars: dict[str, Variable] = field(default_factory=dict)
    file_vars: dict[str, Variable] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    priority: int = 1


@dataclass
class Member:
    """A host while files are read; `written` is the pattern it came from, as in `gpu[01:16]`."""

    name: str
    path: str
    written: str
    vars: dict[str, Variable] = field(default_factory=dict)
    file_vars: dict[str, Variable] = field(default_factory=dict)


@dataclass
class Tree:
    """Everything that was read, in the order of the files."""

    groups: dict[str, Group] = field(default_factory=lambda: {name: Group(name, "") for name in (ALL, UNGROUPED)})
    hosts: dict[str, Member] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    # Hosts that `ungrouped` named although they are in a group: they lose its variables, even those that a group
    # below it would hand them.
    grouped_after_all: set[str] = field(default_factory=set)

    def group(self, name: str, path: str) -> Group:
        """Return a group, made on first sight."""
        group = self.groups.setdefault(name, Group(name, path))
        group.path = group.path or path
        return group

    def add_host(self, group: Group, name: str, path: str, written: str, port: int | None = None) -> Member:
        """Put a host into a group. A port in the pattern counts only where the host is seen first, as in Ansible."""
        if name not in self.hosts:
            self.hosts[name] = Member(name, path, written)
            if port is not None:
                self.hosts[name].vars["ansible_port"] = Variable(port, path)
        group.hosts[name] = None
        return self.hosts[name]

    def add_child(self, parent: Group, child: str, path: str) -> None:
        """Put a group into another; a circle is a finding and the edge is left out."""
        if parent.name == child or parent.name in self._below(child):
            problem = f"makes {child!r} a child of {parent.name!r}, which is below it: a circle"
            self.findings.append(Finding(path, problem, f"remove {child!r} from the children of {parent.name!r}"))
            return
        parent.children[child] = None

    def set_group_variable(self, group: Group, name: str, variable: Variable) -> None:
        """Set a variable of a group; its priority is no variable but an order among groups of one depth."""
        if name != _PRIORITY:
            group.vars[name] = variable
            return
        try:
            group.priority = int(variable.value)
        except (TypeError, ValueError, OverflowError):
            problem = f"{variable.value!r} is no whole number"
            self.findings.append(Finding(variable.path, problem, "write a number, as in 10; 1 is the default"))

    def settle(self) -> None:
        """Do what Ansible does after the last file: every group is below all, every host in a group."""
        with_parent = {child for group in self.groups.values() for child in group.children}
        for name, group in self.groups.items():
            if name != ALL and name not in with_parent:
                self.add_child(self.groups[ALL], name, group.path)
        ungrouped = self.groups[UNGROUPED].hosts
        in_groups = {
            host for group in self.groups.values() if group.name not in {ALL, UNGROUPED} for host in group.hosts
        }
        for host in self.hosts:
            if host in in_groups and host in ungrouped:
                del ungrouped[host]
                self.grouped_after_all.add(host)
            elif host not in in_groups:
                ungrouped[host] = None

    def variables(self) -> dict[str, dict[str, Variable]]:
        """Return the variables of every host after precedence; values are replaced whole, never merged."""
        parents = self._parents()
        depth = self._depths()
        groups_of: dict[str, set[str]] = {host: set() for host in self.hosts}
        for group in self.groups.values():
            for member in group.hosts:
                if member in groups_of:
                    groups_of[member] |= {group.name, *_reach(group.name, parents)}
        for name in self.grouped_after_all:
            groups_of[name].discard(UNGROUPED)
        result = {}
        for name, host in self.hosts.items():
            groups = [self.groups[group] for group in groups_of[name] if group != ALL]
            groups.sort(key=lambda group: (depth.get(group.name, 0), group.priority, group.name))
            everyone = self.groups[ALL]
            # The files of group_vars/ come after all inventory files: even group_vars/all beats [gpu:vars].
            layers = [everyone.vars, *(group.vars for group in groups)]
            layers += [everyone.file_vars, *(group.file_vars for group in groups), host.vars, host.file_vars]
            result[name] = {key: variable for layer in layers for key, variable in layer.items()}
        return result

    def written_variables(self) -> Iterable[tuple[str, Variable]]:
        """Yield every variable that was written, also those that another one beats."""
        owners: list[Group | Member] = [*self.groups.values(), *self.hosts.values()]
        for owner in owners:
            yield from owner.vars.items()
            yield from owner.file_vars.items()

    def _parents(self) -> dict[str, list[str]]:
        parents: dict[str, list[str]] = {name: [] for name in self.groups}
        for group in self.groups.values():
            for child in group.children:
                parents.setdefault(child, []).append(group.name)
        return parents

    def _below(self, name: str) -> set[str]:
        return _reach(name, {group.name: list(group.children) for group in self.groups.values()})

    def _depths(self) -> dict[str, int]:
        """Return each group's longest way from the top; add_child keeps circles out, so this ends."""
        waiting = {name: len(parents) for name, parents in self._parents().items()}
        depth = dict.fromkeys(waiting, 0)
        ready = deque(name for name, count in waiting.items() if not count)
        while ready:
            name = ready.popleft()
            for child in self.groups[name].children if name in self.groups else ():
                depth[child] = max(depth[child], depth[name] + 1)
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        return depth


def _reach(start: str, edges: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    queue = list(edges.get(start, ()))
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(edges.get(name, ()))
    return found
