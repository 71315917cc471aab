"""`python -m infra observe`: what running engines report, against the plan.

Exit codes: 0 all engines serve, 1 one doesn't or can't be read (the others are shown), 2 the command line is wrong,
7 all serve, but calibration.json says something else of one of them (0 with --save, which writes what is true now).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.config.inventory import Host
from infra.config.load import read_stack_file
from infra.errors import Finding, Severity
from infra.observe.calibrate import Change, changes_of, merged
from infra.observe.hosts import HostAnswer, ask_host
from infra.observe.rows import Row, rows_of
from infra.observe.text import changes_text, observed_data, observed_text
from infra.pipeline import Built, build
from infra.plan.calibration import FILE_NAME, Calibration, calibration_text, read_calibration

_AT_ONCE: Final = 8
# As in `make drift`.
_DRIFTED: Final = 7
_WRONG: Final = 1
Ask = Callable[[str, Host, str], HostAnswer]


def main_observe(arguments: Sequence[str], ask: Ask = ask_host) -> int:
    """Read all hosts of a stack and print every engine; the answer goes to standard output, all else to error."""
    options = _parser().parse_args(arguments)
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if built is None or found:
        _tell(errors)
        return _WRONG
    answers = _ask_all(built, options.stack, ask)
    known, unread = read_calibration(root)
    rows = rows_of(built, answers, root)
    changes = changes_of(rows, known, built.config, options.stack, datetime.now(tz=UTC).date().isoformat())
    trouble = [Finding(f"host {answer.host}", answer.problem, answer.fix) for answer in answers if answer.problem]
    is_written = False
    if options.save and changes:
        problem = _written(root, known, unread, changes)
        trouble += problem
        is_written = not problem
    if options.json:
        print(json.dumps(observed_data(options.stack, rows, answers, changes, is_written=is_written), indent=2))
    else:
        told = changes_text(changes, is_written=is_written)
        print("\n".join(filter(None, (observed_text(options.stack, rows, answers), told))))
    # Engines that run are shown also where the present declaration is wrong; warnings about it, `check` says.
    _tell([*errors, *unread, *trouble])
    return _code(rows, trouble, changes, is_written=is_written)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra observe", description="say what running engines report, against the plan"
    )
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--save", action="store_true", help=f"write what was observed to {FILE_NAME}, which the next plan prefers"
    )
    return parser


def _ask_all(built: Built, stack: str, ask: Ask) -> list[HostAnswer]:
    """Ask the hosts that engines are placed on, in the order of the inventory."""
    wanted = {placement.host for placement in built.plan.placements}
    hosts = {name: host for name, host in built.config.inventory.hosts.items() if name in wanted}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda item: ask(item[0], item[1], stack), hosts.items()))


def _written(root: Path, known: Calibration, unread: Sequence[Finding], changes: Sequence[Change]) -> list[Finding]:
    """Write the file. One that can't be read at all (a merge conflict, for one) is left: it has others' entries."""
    if any(finding.path == FILE_NAME for finding in unread):
        fix = "mend the file or remove it, then run this again"
        return [Finding(FILE_NAME, "isn't written over: what it has can't be read", fix)]
    try:
        (root / FILE_NAME).write_text(calibration_text(merged(known, changes)), encoding="utf-8")
    except OSError as error:
        return [Finding(FILE_NAME, f"can't be written: {error.strerror}", "let this user write it")]
    return []


def _code(rows: Sequence[Row], trouble: Sequence[Finding], changes: Sequence[Change], *, is_written: bool) -> int:
    if trouble or not all(row.serves for row in rows if row.placement is not None):
        return _WRONG
    return _DRIFTED if any(change.drifts for change in changes) and not is_written else 0


def _tell(findings: Sequence[Finding]) -> None:
    marks = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "notice"}
    for finding in dict.fromkeys(findings):
        print(f"{marks[finding.severity]}: {finding}", file=sys.stderr)
