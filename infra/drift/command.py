"""`python -m infra drift`: what runs, compared with what is declared.

Exit codes: 0 nothing differs, 7 something does, 1 a host or the engine couldn't be asked, or the declaration is wrong (what
differs elsewhere is shown), 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra.config.load import nearest, read_stack_file
from infra.drift.difference import Difference, Wins
from infra.drift.engine import EngineError, Preview, ask_engine, known_ids
from infra.drift.hosts import HostAnswer, Known, ask_host, namesakes
from infra.drift.report import Report, markdown, text
from infra.errors import Severity
from infra.pipeline import PROJECT, Built, build
from infra.targets.docker.connection import UnreachableError
from infra.targets.docker.declared import Site, sites
from infra.targets.docker.mapping import Names

_AT_ONCE: Final = 8
DRIFTED: Final = 7


def main_drift(arguments: Sequence[str]) -> int:
    """Ask the engine and every host at once; the report goes to standard output, all else to standard error."""
    options = _options(arguments)
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    errors = sorted({finding for finding in findings if finding.severity is Severity.ERROR})
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    if built is None or errors:
        return 1
    parts = sites(built.config, built.workloads, Names(PROJECT, options.stack), root)
    unknown = sorted(set(options.host) - set(parts))
    for name in unknown:
        print(f"error: --host: the stack has nothing on {name!r}. {nearest(name, parts)}.", file=sys.stderr)
    if unknown:
        return 1
    chosen = [site for name, site in parts.items() if name in (options.host or parts)]
    if options.remove_namesakes:
        return _remove_namesakes(chosen, options.stack)
    report = _asked(built, chosen, options.stack, with_engine=options.engine and not options.host)
    if options.markdown is not None:
        _write(options.markdown, markdown(report))
    if options.json:
        print(json.dumps(report.data(), indent=2))
    elif str(options.markdown) != "-":
        print(text(report, explain=options.explain))
    return 1 if report.problems else DRIFTED if report.differences else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m infra drift", description="compare what runs with what is declared"
    )
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument("--host", action="append", default=[], help="this host alone; may be given several times")
    parser.add_argument(
        "--explain", action="store_true", help="say who wins at the next up, and how to repair or adopt"
    )
    parser.add_argument(
        "--engine",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="have the engine refresh and preview as well (default yes, unless --host is given)",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown, too; - prints it")
    parser.add_argument(
        "--remove-namesakes",
        action="store_true",
        help="instead remove containers that took the name of one of the stack's, so that `up` can make it again",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser.parse_args(arguments)


def _asked(built: Built, chosen: Sequence[Site], stack: str, *, with_engine: bool) -> Report:
    hosts = built.config.inventory.hosts
    with ThreadPoolExecutor(_AT_ONCE + 1) as pool:
        engine: Future[Preview] | None = pool.submit(ask_engine, stack) if with_engine else None
        secrets = pool.submit(_secrets, stack)
        known = Known(stack, known_ids(stack), secrets.result())
        answers: list[HostAnswer] = list(pool.map(lambda site: ask_host(site, known, hosts[site.host]), chosen))
        problems = {answer.host: answer.problem for answer in answers if answer.problem}
        found = [difference for answer in answers for difference in answer.differences]
        try:
            told = engine.result() if engine is not None else Preview()
        except EngineError as error:
            told, problems = Preview(), {**problems, "engine": str(error)}
    # What hosts say of a resource is more exact than what the engine would do with it.
    exact = {one.urn for one in found}
    found = [*_judged(found, told), *(one for one in told.differences if one.urn not in exact)]
    uncompared = [f"{what} ({answer.host})" for answer in answers for what in answer.uncompared]
    if known.secrets is None:
        uncompared.append("values of secrets: the stack's passphrase isn't at hand")
    notes = tuple(f"{note} ({answer.host})" for answer in answers for note in answer.notes)
    hosts_asked = tuple(site.host for site in chosen)
    return Report(stack, hosts_asked, tuple(sorted(found)), problems, tuple(uncompared), notes)


def _judged(found: Iterable[Difference], told: Preview) -> list[Difference]:
    """Say who wins with what the engine would do in mind: a container that is made anew keeps nothing."""
    undone = {Wins.SEEN, Wins.PROGRAM}
    anew = told.replaced - {one.urn for one in found if one.wins is Wins.NAMESAKE}
    return [
        replace(one, wins=Wins.DECLARED, mend="") if one.urn in anew and one.wins in undone else one for one in found
    ]


def _remove_namesakes(chosen: Sequence[Site], stack: str) -> int:
    known, problems = Known(stack, known_ids(stack), None), 0
    for site in chosen:
        try:
            for host, name in namesakes(site, known):
                print(f"{host}: removed {name}")
        except UnreachableError as error:
            problems += 1
            print(f"error: {error}", file=sys.stderr)
    return int(problems > 0)


def _secrets(stack: str) -> dict[str, str] | None:
    """Return the values of the stack's secrets, for comparison alone; None where they can't be read."""
    try:
        ran = subprocess.run(
            ["pulumi", "config", "--show-secrets", "--json", "--stack", stack, "--non-interactive"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ran.returncode:
        return None
    values = json.loads(ran.stdout)
    return {
        key.partition(":")[2]: str(row["value"]) for key, row in values.items() if row.get("secret") and "value" in row
    }


def _write(file: Path, content: str) -> None:
    if str(file) == "-":
        print(content, end="")
    else:
        file.write_text(content, encoding="utf-8")
