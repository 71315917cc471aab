"""`python -m infra policy`: rules for what a stack would deploy, without the engine.

Exit codes: 0 no mandatory rule is broken, 1 one is (or the declaration is wrong), 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from infra.config.load import read_stack_file
from infra.errors import Severity
from infra.pipeline import PROJECT, build
from infra.policy.check import Violation, level_of, settings_findings, violations
from infra.policy.rules import RULES
from infra.targets.docker.declared import sites
from infra.targets.docker.mapping import Names


def main_policy(arguments: Sequence[str]) -> int:
    """Check every resource of every host; the answer goes to standard output, all else to standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m infra policy", description="check what a stack deploys against rules"
    )
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument("--rules", action="store_true", help="list the rules and their levels in this stack instead")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args(arguments)
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if built is not None and not errors:
        settings = built.config.policy
        parts = sites(built.config, built.workloads, Names(PROJECT, options.stack), root)
        names = [resource.name for site in parts.values() for resource in site.resources()]
        errors += settings_findings(settings, names)
    for error in sorted(set(errors)):
        print(f"error: {error}", file=sys.stderr)
    if built is None or errors:
        return 1
    if options.rules:
        rows = [
            {"rule": rule.name, "level": level_of(rule, settings, options.stack), "why": rule.why} for rule in RULES
        ]
        print(
            json.dumps(rows, indent=2)
            if options.json
            else "\n".join(f"{r['level']:<10} {r['rule']:<18} {r['why']}" for r in rows)
        )
        return 0
    told = [one for site in parts.values() for one in violations(site.host, site.resources(), settings, options.stack)]
    print(json.dumps([asdict(one) for one in told], indent=2) if options.json else _text(told, options.stack))
    return int(any(one.level == "mandatory" for one in told))


def _text(told: Sequence[Violation], stack: str) -> str:
    broken = sum(one.level == "mandatory" for one in told)
    if not told:
        return f"{stack}: no rule is broken"
    lines = [f"{stack}: {broken} mandatory and {len(told) - broken} advisory rules are broken"]
    return "\n".join(
        [*lines, *(f"  {one.level}: {one}" for one in sorted(told, key=lambda one: one.level != "mandatory"))]
    )
