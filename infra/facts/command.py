"""`python -m infra facts`: ask hosts what they are, and print or write it as an inventory.

Exit codes: 0 all hosts answered, 1 a host or a file is wrong (the others are printed), 2 the command line is.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import yaml

from infra.errors import Finding, Severity
from infra.facts.host import LOCAL, HostFacts, collect
from infra.facts.writer import to_yaml
from infra.inventory import flatten, is_own, read_inventory

_AT_ONCE: Final = 8
_LONGEST_NAME: Final = 40


class Collect(Protocol):
    """Asks one host."""

    def __call__(self, connection: str, *, ssh_options: Sequence[str]) -> HostFacts:
        """Return its facts."""


@dataclass(frozen=True)
class _Target:
    """One host to ask, and its name in the inventory."""

    name: str
    connection: str
    ssh_options: tuple[str, ...] = ()


def main_facts(arguments: Sequence[str], ask: Collect = collect) -> int:
    """Ask every host, at most eight at once. Answers go to standard output, all else to standard error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and not options.inventory:
        parser.error("--write needs --inventory FILE")
    found: list[Finding] = []
    existing = _existing(options.inventory, found) if options.inventory else {}
    known = _known(options.inventory, existing) if existing else {}
    targets = _targets(options.host, known, found)
    for target in targets:
        print(f"asking {target.name} ({target.connection})", file=sys.stderr)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda target: ask(target.connection, ssh_options=target.ssh_options), targets))
    found += [finding for answer in answers for finding in answer.findings]
    facts = {
        target.name: {"connection": target.connection, **answer.section()}
        for target, answer in zip(targets, answers, strict=True)
        if answer.is_known
    }
    merged = to_yaml(facts, existing or {})
    print(json.dumps(facts, indent=2) if options.json else merged.rstrip("\n"))
    if options.write and existing is not None and facts and _write(options.inventory, merged, found):
        print(f"wrote {options.inventory}", file=sys.stderr)
    for finding in dict.fromkeys(found):
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    return int(any(finding.severity is Severity.ERROR for finding in found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra facts", description="ask hosts what they are made of")
    parser.add_argument(
        "host", nargs="+", metavar="HOST", help="local, ssh://user@host:port, or the name of a host in the inventory"
    )
    parser.add_argument("--inventory", type=Path, metavar="FILE", help="inventory in YAML to merge the facts into")
    parser.add_argument("--write", action="store_true", help="write FILE instead of only printing it; FILE.bak is kept")
    parser.add_argument("--json", action="store_true", help="print the facts alone, as JSON")
    return parser


def _existing(path: Path, found: list[Finding]) -> dict[str, Any] | None:
    """Return the inventory to merge into; None where it can't be, and then the facts are printed alone."""
    fix = "merge by hand what is printed, or keep hosts in a YAML file of their own"
    if not path.exists():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        json.dumps(data, skipkeys=True, default=str)  # refuses a value that holds itself, which can't be written
    except OSError as error:
        found.append(Finding(str(path), f"can't be read: {error.strerror}", fix))
        return None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        problem = f"can't be rewritten as YAML: {' '.join(str(error).split())[:200]}"
        found.append(Finding(str(path), problem, fix))
        return None
    if data is None:
        return {}
    if not isinstance(data, dict):
        found.append(Finding(str(path), "is no inventory in YAML", fix))
        return None
    return data


def _known(path: Path, existing: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the hosts that the inventory has already, with their connections."""
    inventory, _ = flatten(existing, str(path)) if is_own(existing) else read_inventory(path)
    hosts: Mapping[str, Mapping[str, Any]] = inventory.get("hosts", {})
    return hosts


def _targets(names: Sequence[str], known: Mapping[str, Mapping[str, Any]], found: list[Finding]) -> list[_Target]:
    targets: dict[str, _Target] = {}
    for given in dict.fromkeys(names):
        name, connection = given, given
        if given in known:
            connection = str(known[given].get("connection", LOCAL))
        elif given == LOCAL or "://" in given:
            same = [host for host, section in known.items() if section.get("connection", LOCAL) == given]
            name = same[0] if same else _name_for(given)
        else:
            fix = "write local or ssh://user@host:port, or give the file that names it with --inventory"
            found.append(Finding(given, "is no connection, and no host of the inventory", fix))
            continue
        if name in targets:
            problem = f"would be named {name}, like {targets[name].connection}"
            found.append(Finding(given, problem, "give them names in the inventory, and ask for those"))
            continue
        options = tuple(str(option) for option in known.get(name, {}).get("ssh_options", ()))
        targets[name] = _Target(name, connection, options)
    return list(targets.values())


def _name_for(connection: str) -> str:
    """Make a host's name from its connection: ssh://ops@gpu01.example.com gives gpu01, an address host-10-0-0-7."""
    try:
        address = urlsplit(connection).hostname or LOCAL
    except ValueError:
        address = "host"
    is_number = bool(re.fullmatch(r"[0-9.]+|[0-9a-f]*:[0-9a-f:]*", address))
    name = re.sub(r"[^a-z0-9]+", "-", (address if is_number else address.partition(".")[0]).lower()).strip("-")
    return (f"host-{name}" if is_number or not name[:1].isalpha() else name)[:_LONGEST_NAME].strip("-")


def _write(path: Path, text: str, found: list[Finding]) -> bool:
    """Write the inventory. What was there is kept beside it, with its comments, which YAML doesn't carry over."""
    try:
        if path.exists():
            backup = path.with_name(f"{path.name}.bak")
            before = path.read_text(encoding="utf-8")
            shutil.copy2(path, backup)
            if re.search(r"(^|\s)#", before):
                problem = f"its comments are lost; {backup.name} has them"
                found.append(Finding(str(path), problem, "copy back those that still hold", Severity.WARNING))
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        found.append(Finding(str(path), f"can't be written: {error.strerror}", "make it writable"))
        return False
    return True
