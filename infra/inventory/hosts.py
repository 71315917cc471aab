"""From a host's variables to Hearth's host: the connection, the address, and what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from infra.config.inventory import Host
from infra.config.load import nearest
from infra.errors import Finding, Severity
from infra.inventory.tree import Variable, Vault

FIELDS: Final = tuple(Host.model_fields)
# The older name wins where both are set, as in Ansible's ssh connection.
_TARGET: Final = ("ansible_ssh_host", "ansible_host")
_USER: Final = ("ansible_ssh_user", "ansible_user")
_PORT: Final = ("ansible_ssh_port", "ansible_port")
_KEY: Final = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_ARGUMENTS: Final = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
_CONNECTION: Final = ("ansible_connection",)
_NEEDED: Final = frozenset({*FIELDS, *_TARGET, *_USER, *_PORT, *_KEY, *_ARGUMENTS, *_CONNECTION})
_OVER_SSH: Final = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})
_NEAR: Final = 0.8
_HIGHEST_PORT: Final = 65535
_ADDRESS: Final = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")
_LOGIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$\\-]*")


def host_section(
    name: str, variables: Mapping[str, Variable], *, over_ssh: bool
) -> tuple[dict[str, Any], list[Finding]]:
    """Return a host as in `hearth:inventory.hosts`. `over_ssh`: a host of which nothing is said is one to log in to,
    as in Ansible; in Hearth's own shape it is this machine.
    """
    found: list[Finding] = []
    needed = {}
    for key in sorted(_NEEDED & set(variables)):
        variable = variables[key]
        hidden = _hidden(variable)
        if hidden:
            found.append(hidden)
        elif variable.value is not None:
            needed[key] = variable
    section = {field: needed[field].value for field in FIELDS if field in needed}
    spoken = any(first_of(needed, names) for names in (_TARGET, _USER, _PORT, _CONNECTION))
    if "connection" not in section and (over_ssh or spoken):
        connection, address = _connection(name, needed, found)
        section["connection"] = connection
        if address is not None:
            section.setdefault("address", address)
    options = _ssh_options(needed, found)
    if options and section.get("connection") != "local":
        section.setdefault("ssh_options", options)
    return {field: section[field] for field in FIELDS if field in section}, found


def first_of(variables: Mapping[str, Variable], names: Iterable[str]) -> Variable | None:
    """Return the first of several variables that mean the same."""
    return next((variables[name] for name in names if name in variables), None)


def foreign(written: Iterable[tuple[str, Variable]], *, inline: bool) -> list[Finding]:
    """Judge variables that aren't Hearth's: inline they are typos; in a file they are Ansible's business, unless
    they look like one of Hearth's.
    """
    found = []
    for name, variable in written:
        if name in FIELDS:
            continue
        if isinstance(variable.value, Vault) and name not in _NEEDED:
            problem = "is encrypted; Hearth doesn't need it"
            found.append(Finding(variable.path, problem, "nothing is to be done", Severity.NOTICE))
        elif name.startswith("ansible_"):
            continue
        elif inline:
            found.append(Finding(variable.path, "is unknown", nearest(name, FIELDS)))
        elif close := _alike(name):
            problem = f"{name!r} is not read, and looks like {close[0]!r}"
            fix = f"rename it to {close[0]} if it describes the host's {close[0]}"
            found.append(Finding(variable.path, problem, fix, Severity.WARNING))
    return found


def _hidden(variable: Variable) -> Finding | None:
    """Find a value that only Ansible can work out: encrypted, or a template."""
    if _holds(variable.value, lambda value: isinstance(value, Vault)):
        return Finding(variable.path, "is encrypted with ansible-vault, and Hearth needs it", "write it in plain text")
    if _holds(variable.value, lambda value: isinstance(value, str) and ("{{" in value or "{%" in value)):
        text = str(variable.value)[:60]
        return Finding(
            variable.path, f"is a template ({text}), which only Ansible can fill in", "write the value itself"
        )
    return None


def _holds(value: Any, wanted: Any) -> bool:
    """Look through a value once, also where aliases share its parts."""
    queue, seen = [value], set[int]()
    while queue:
        item = queue.pop()
        if wanted(item):
            return True
        if isinstance(item, Mapping | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            queue.extend([*item, *item.values()] if isinstance(item, Mapping) else item)
    return False


def _connection(name: str, variables: Mapping[str, Variable], found: list[Finding]) -> tuple[str, str | None]:
    way = first_of(variables, _CONNECTION)
    kind = str(way.value).rpartition(".")[2] if way else "ssh"
    if kind == "local":
        return "local", _text(first_of(variables, _TARGET), _ADDRESS, "address", found)
    if way and kind not in _OVER_SSH:
        fix = "set ansible_connection to ssh or local, or Hearth's connection to unix:///path/of/docker.sock"
        found.append(Finding(way.path, f"{way.value!r} is no way that Hearth can take to a host", fix))
    target = _text(first_of(variables, _TARGET), _ADDRESS, "address", found) or name
    user = _text(first_of(variables, _USER), _LOGIN, "login name", found)
    port = _port(first_of(variables, _PORT), found)
    shown = f"[{target}]" if ":" in target else target
    return f"ssh://{f'{user}@' if user else ''}{shown}{f':{port}' if port else ''}", target


def _text(variable: Variable | None, allowed: re.Pattern[str], what: str, found: list[Finding]) -> str | None:
    if variable is None:
        return None
    value = variable.value
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if not allowed.fullmatch(text):
        found.append(Finding(variable.path, f"{value!r} is no {what}", f"write the {what} alone"))
        return None
    return text


def _port(variable: Variable | None, found: list[Finding]) -> int | None:
    if variable is None:
        return None
    text = str(variable.value).strip() if not isinstance(variable.value, bool) else ""
    if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= _HIGHEST_PORT:
        return int(text)
    found.append(Finding(variable.path, f"{variable.value!r} is no port", f"write a number from 1 to {_HIGHEST_PORT}"))
    return None


def _alike(name: str) -> list[str]:
    # Only files of Ansible come here: most inventories stand in a stack file, and shlex is needed as seldom.
    import difflib  # noqa: PLC0415

    return difflib.get_close_matches(name, FIELDS, n=1, cutoff=_NEAR)


def _ssh_options(variables: Mapping[str, Variable], found: list[Finding]) -> list[str]:
    options: list[str] = []
    key = first_of(variables, _KEY)
    if key is not None:
        options += ["-i", str(key.value)]
    for name in _ARGUMENTS:
        if name in variables:
            import shlex  # noqa: PLC0415

            try:
                options += shlex.split(str(variables[name].value))
            except ValueError as error:
                problem = f"can't be split into words: {str(error).lower()}"
                found.append(Finding(variables[name].path, problem, "close the quote"))
    return options
