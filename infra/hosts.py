"""`python -m infra hosts`: the hosts of a stack, which of them answer, and what a deployment leaves alone.

Exit codes: 0 told, 1 the declaration has errors or a name is unknown, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from infra.config.inventory import Inventory
from infra.config.load import nearest, read_stack_file
from infra.errors import Finding, Severity
from infra.pipeline import PROJECT, build
from infra.targets.docker.connection import Connection, UnreachableError
from infra.targets.docker.declared import Site, sites
from infra.targets.docker.mapping import Names

_AT_ONCE: Final = 8
_ANSWER_S: Final = 15.0


@dataclass(frozen=True)
class HostRow:
    """One host: whether it was asked for, why it can't be reached (empty when it can), and its resources in the engine."""

    name: str
    connection: str
    is_chosen: bool
    problem: str
    workloads: tuple[str, ...]
    urns: tuple[str, ...]


def main_hosts(arguments: Sequence[str]) -> int:
    """Ask every chosen host's daemon for a sign of life; the answer goes to standard output."""
    options = _options(arguments)
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if built is not None:
        errors += _unknown(built.config.inventory, options.only)
    for error in sorted(set(errors)):
        print(f"error: {error}", file=sys.stderr)
    if built is None or errors:
        return 1
    parts = sites(built.config, built.workloads, Names(PROJECT, options.stack), root)
    chosen = _chosen(built.config.inventory, options.only) if options.only else set(parts)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(lambda site: _row(site, options.stack, is_chosen=site.host in chosen), parts.values()))
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else _text(rows))
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra hosts", description="say which hosts of a stack answer")
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument(
        "--only",
        type=lambda text: [name for name in text.replace(":", ",").split(",") if name],
        default=[],
        metavar="NAME[,!NAME…]",
        help="hosts and groups, and with ! those to leave out, as in gpu,!gpu-c (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser.parse_args(arguments)


def _unknown(inventory: Inventory, only: Sequence[str]) -> list[Finding]:
    known = ["all", *inventory.hosts, *inventory.groups]
    names = (name.removeprefix("!") for name in only)
    return [
        Finding("--only", f"no host or group is named {name!r}", nearest(name, known))
        for name in names
        if name != "all" and not inventory.members(name)
    ]


def _chosen(inventory: Inventory, only: Sequence[str]) -> set[str]:
    """Return the hosts that a pattern stands for, as Ansible's --limit reads it: exclusions come last."""

    def members(name: str) -> set[str]:
        return set(inventory.hosts) if name == "all" else set(inventory.members(name))

    wanted = [members(name) for name in only if not name.startswith("!")] or [set(inventory.hosts)]
    unwanted = [members(name.removeprefix("!")) for name in only if name.startswith("!")]
    return set().union(*wanted) - set().union(*unwanted)


def _row(site: Site, stack: str, *, is_chosen: bool) -> HostRow:
    return HostRow(
        site.host,
        site.connection.address,
        is_chosen,
        _problem(site.connection) if is_chosen else "",
        tuple(site.containers),
        site.urns(PROJECT, stack),
    )


def _problem(connection: Connection) -> str:
    try:
        with connection.client(_ANSWER_S):
            return ""
    except UnreachableError as error:
        return str(error).partition(": ")[2]


def _text(rows: Sequence[HostRow]) -> str:
    lines = []
    for row in rows:
        state = "not asked" if not row.is_chosen else f"can't be reached: {row.problem}" if row.problem else "answers"
        lines.append(f"{row.name:<16} {row.connection:<36} {len(row.workloads):>3} containers  {state}")
    return "\n".join(lines)
