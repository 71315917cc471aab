"""`python -m infra report`: the ledger, plan against observed, alerts and charts of the last hours as one page.

Exit codes: 0 written, 1 the stack or its Prometheus can't be asked, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

import monitoring
from infra.config.load import read_stack_file
from infra.page import page
from infra.page.markup import element
from infra.pipeline import Built, build
from infra.report.prometheus import NoAnswerError, Prometheus, Span
from infra.services.subjects import subjects

_HOUR_S: Final = 3600
_POINTS: Final = 240
_LEAST_STEP_S: Final = 5


def main_report(arguments: Sequence[str]) -> int:
    """Run the command; see the module."""
    options = _options(arguments)
    written, found = read_stack_file(Path.cwd(), options.stack)
    built, findings = build(written, options.stack, found)
    if built is None:
        print("\n".join(f"error: {finding}" for finding in sorted(set(findings))), file=sys.stderr)
        return 1
    address = options.prometheus or _address(built)
    if address is None:
        problem = "hearth:monitoring.prometheus.expose: is not set, so nobody outside can ask Prometheus (no port)"
        print(f"error: {problem}. Set it and `pulumi up`, or give --prometheus URL.", file=sys.stderr)
        return 1
    now_s = time.time()
    length_s = options.hours * _HOUR_S
    span = Span(now_s - length_s, now_s, max(_LEAST_STEP_S, round(length_s / _POINTS)))
    try:
        return _write(built, Prometheus(address), span, options)
    except NoAnswerError as error:
        fix = f"Is the stack up (`make up STACK={options.stack}`)? Another address: --prometheus URL."
        print(f"error: Prometheus: {error}. {fix}", file=sys.stderr)
        return 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra report", description=__doc__)
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--html", type=Path, metavar="FILE", help="file to write the page to")
    where.add_argument("--json", action="store_true", help="print plan against observed and the alerts instead")
    parser.add_argument("--hours", type=_hours, default=6.0, help="how far back (default: 6)")
    parser.add_argument("--prometheus", metavar="URL", help="its address (default: where the stack exposes it)")
    return parser.parse_args(arguments)


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= 24 * 31:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0 and at most 744")
    return hours


def _address(built: Built) -> str | None:
    for workload in built.workloads:
        if workload.service == "prometheus" and workload.published:
            return f"http://{workload.published[0].address}:{workload.published[0].host_port}"
    return None


def _write(built: Built, prometheus: Prometheus, span: Span, options: argparse.Namespace) -> int:
    # matplotlib takes a second to import: a mistake before this is told at once.
    from infra.report import sections  # noqa: PLC0415

    watched = subjects(built.declaration.context)
    figures = sections.compared(watched.engines, prometheus, span)
    alerts = sections.alerts(prometheus, span)
    if options.json:
        rows = {
            instance: [{**asdict(one), "difference": one.difference} for one in found]
            for instance, found in figures.items()
        }
        print(json.dumps({"stack": watched.stack, "hours": options.hours, "engines": rows, "alerts": alerts}, indent=2))
        return 0
    drawn = []
    for board in monitoring.boards(watched):
        print(f"… {board.title}", file=sys.stderr)
        drawn.append(sections.charts(board, prometheus, span))
    zone = datetime.fromtimestamp(span.end_s).astimezone()
    length = "hour" if options.hours == 1 else f"{options.hours:g} hours"
    head = element("p", f"The last {length} up to {zone:%Y-%m-%d %H:%M} {zone.tzname()}, as Prometheus saw them.")
    first = [sections.style(), head, sections.alert_list(alerts), sections.comparison(figures)]
    text = page(built.plan, before=first, after=drawn)
    part = options.html.with_name(f".{options.html.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(options.html)
    except OSError as error:
        print(f"error: --html: {error.strerror} ({options.html}). Name a file that can be written.", file=sys.stderr)
        return 1
    print(f"✓ {options.html}, {len(text) // 1024:,} KiB", file=sys.stderr)
    return 0
