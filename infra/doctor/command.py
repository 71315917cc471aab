"""`python -m infra doctor`: whether the hosts of a stack can run it, and what to do where they can't.

Exit codes: 0 nothing stands in the way (warnings may be told), 1 something does, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.config.load import nearest, read_stack_file
from infra.doctor.asked import Asked, asked_of
from infra.doctor.cache import Kept, age_text, file_of, keep, read
from infra.doctor.checks import examine
from infra.doctor.hosts import ask_host
from infra.doctor.report import HostReport
from infra.doctor.text import Examined, doctor_data, doctor_text
from infra.errors import Finding, Severity
from infra.pipeline import Built, build

_AT_ONCE: Final = 8
Ask = Callable[[Asked], HostReport]


def main_doctor(arguments: Sequence[str], ask: Ask = ask_host) -> int:
    """Ask every host of a stack, at most eight at once; the answer goes to standard output, all else to error."""
    options = _options(arguments)
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if built is None or found:
        _tell(errors)
        return 1
    hosts, unknown = _chosen(built, root, options.host)
    if unknown:
        _tell(unknown)
        return 1
    kept = read(root, options.stack) if options.from_cache else {}
    reports, missing = _cached(hosts, kept, options.stack) if options.from_cache else (_asked(hosts, ask), [])
    if not options.from_cache:
        missing += _kept(root, options.stack, hosts, reports)
    examined = {name: examine(hosts[name], report) for name, report in reports.items()}
    if options.json:
        print(json.dumps(doctor_data(options.stack, examined, _times(reports)), indent=2, ensure_ascii=False))
    else:
        print(doctor_text(options.stack, examined, _ages(reports) if options.from_cache else {}))
    # What is wrong with the declaration is told by `check` as well; without it a host's verdict would look complete.
    _tell([*errors, *missing])
    return int(bool(errors) or _has_errors(missing) or _stops(examined))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m infra doctor", description="say whether the hosts of a stack can run it, and what to mend"
    )
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="this host or group alone; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--from-cache", action="store_true", help="ask nobody: judge the answers of the last time")
    return parser.parse_args(arguments)


def _chosen(built: Built, root: Path, names: Sequence[str]) -> tuple[dict[str, Asked], list[Finding]]:
    """Return the hosts to look at: those that run something, and of them those that were named."""
    inventory, all_asked = built.config.inventory, asked_of(built, root)
    unknown = [
        Finding("--host", f"no host or group is named {name!r}", nearest(name, [*inventory.hosts, *inventory.groups]))
        for name in names
        if not inventory.members(name)
    ]
    wanted = {host for name in names for host in inventory.members(name)} if names else set(all_asked)
    idle = [name for name in names if inventory.members(name) and not wanted & set(all_asked)]
    unknown += [
        Finding("--host", f"{name} runs nothing of this stack", f"name one of: {', '.join(all_asked)}") for name in idle
    ]
    return {name: asked for name, asked in all_asked.items() if name in wanted}, unknown


def _asked(hosts: Mapping[str, Asked], ask: Ask) -> dict[str, HostReport]:
    for name, asked in hosts.items():
        print(f"asking {name} ({asked.section.connection})", file=sys.stderr)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(hosts, pool.map(ask, hosts.values()), strict=True))


def _cached(
    hosts: Mapping[str, Asked], kept: Mapping[str, Kept], stack: str
) -> tuple[dict[str, HostReport], list[Finding]]:
    """Return kept answers; a host that has moved since has none."""
    found = {
        name: kept[name].report
        for name, asked in hosts.items()
        if name in kept and kept[name].connection == asked.section.connection
    }
    fix = f"run `python -m infra doctor --stack {stack}` where it can be reached"
    return found, [Finding(f"host {name}", "was never asked", fix) for name in hosts if name not in found]


def _kept(root: Path, stack: str, hosts: Mapping[str, Asked], reports: Mapping[str, HostReport]) -> list[Finding]:
    """Keep the answers of those that answered: what a host said before is worth more than that it is away."""
    answers = {
        name: Kept(hosts[name].section.connection, report) for name, report in reports.items() if report.is_known
    }
    try:
        keep(root, stack, answers)
    except OSError as error:
        problem = f"can't be written: {error.strerror}"
        return [Finding(str(file_of(root, stack)), problem, "let this user write it", Severity.WARNING)]
    return []


def _times(reports: Mapping[str, HostReport]) -> dict[str, str]:
    return {
        name: datetime.fromtimestamp(report.asked_at, tz=UTC).isoformat(timespec="seconds")
        for name, report in reports.items()
    }


def _ages(reports: Mapping[str, HostReport]) -> dict[str, str]:
    return {name: age_text(time.time() - report.asked_at) for name, report in reports.items()}


def _stops(examined: Examined) -> bool:
    return _has_errors([one.finding for told in examined.values() for one in told if one.finding is not None])


def _has_errors(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _tell(findings: Sequence[Finding]) -> None:
    for finding in dict.fromkeys(findings):
        print(f"{finding.severity}: {finding}", file=sys.stderr)
