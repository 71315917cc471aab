"""`python -m infra upgrade`: what another version of vLLM would mean for a stack, up or down. Nothing is touched.

Exit codes: 0 nothing stands in the way, 1 something breaks, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.catalogue.flag_table import version_text, versions
from infra.catalogue.versions import NEWEST, is_newer_than_known, parse_version
from infra.config.load import read_stack_file
from infra.errors import Finding, Severity
from infra.pipeline import build
from infra.upgrade.compare import compare
from infra.upgrade.target import build_at
from infra.upgrade.text import upgrade_data, upgrade_text

_VERSION: Final = re.compile(r"v?\d+\.\d+(\.\d+)?(\.?post\d+)?")


def main_upgrade(arguments: Sequence[str]) -> int:
    """Answer for one stack and one version; the answer goes to standard output, mistakes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m infra upgrade", description=__doc__)
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument("--engine", required=True, metavar="VERSION", help="version of vLLM, as in 0.33.0")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args(arguments)
    problem = _problem(options.engine)
    if problem is not None:
        print(f"error: --engine: {problem}", file=sys.stderr)
        return 2
    written, found = read_stack_file(Path.cwd(), options.stack)
    # What was measured of one version would be compared with what is computed of the other.
    before, findings = build(written, options.stack, found, calibration={})
    if before is None or any(one.severity is Severity.ERROR for one in found):
        return _refuse(findings)
    after = build_at(written, options.stack, found, before, options.engine)
    if after.built is None:
        return _refuse(after.findings)
    answer = compare(before, findings, after)
    print(json.dumps(upgrade_data(answer), indent=2) if options.json else upgrade_text(answer))
    return int(answer.breaks)


def _problem(text: str) -> str | None:
    """Say why the catalogue can't answer for a version; None when it can."""
    covered = f"Give one from {version_text(versions()[0])} to {NEWEST}."
    number = parse_version(text)
    if number is None or not _VERSION.fullmatch(text):
        return f"{text!r} is no version of vLLM. {covered}"
    if number < versions()[0]:
        return f"{text} is older than the oldest version whose flags are known. {covered}"
    if is_newer_than_known(text):
        return f"nothing is known of {text} yet. {covered}"
    return None


def _refuse(findings: Sequence[Finding]) -> int:
    for finding in sorted({one for one in findings if one.severity is Severity.ERROR}):
        print(f"error: {finding}", file=sys.stderr)
    return 1
