"""`python -m infra`: see everything that a stack decides, without the Pulumi engine.

Exit codes: 0 fine, 1 the declaration has errors, 2 the command line has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from images import recipes
from infra.config.load import read_stack_file
from infra.config.secrets import SECRETS
from infra.errors import Finding, Severity
from infra.pipeline import Built, build, missing_secret_finding, needed_secrets
from infra.preflight import local_findings
from infra.schema import json_schema


class Command(Protocol):
    """Answers one question about a stack on standard output."""

    def __call__(self, built: Built, *, as_json: bool) -> None:
        """Print the answer, as text or as JSON."""


_MARKS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "notice"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; findings go to standard error, answers to standard output."""
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        if name != "schema":
            command.add_argument("--stack", default="local", help="name of the stack (default: local)")
            command.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args(arguments)
    if options.command == "schema":
        print(json.dumps(json_schema(), indent=2))
        return 0
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    findings = tuple(findings)
    if built is not None and options.command == "check":
        findings += tuple(local_findings(built, options.stack, root, Severity.ERROR))
        findings += tuple(missing_secret_finding(name, Severity.WARNING) for name in built.missing_secrets)
    _tell(findings)
    if built is None:
        return 1
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    if not (wrong and options.command == "check"):
        _COMMANDS[options.command][0](built, as_json=options.json)
    return int(wrong)


def _tell(findings: tuple[Finding, ...]) -> None:
    for finding in sorted(set(findings)):
        print(f"{_MARKS[finding.severity]}: {finding}", file=sys.stderr)


def _check(built: Built, *, as_json: bool) -> None:
    answer = {"stack": built.plan.stack, "workloads": [workload.instance for workload in built.workloads]}
    text = f"{built.plan.stack}: {len(built.workloads)} workloads, nothing stands in their way"
    print(json.dumps(answer) if as_json else text)


def _plan(built: Built, *, as_json: bool) -> None:
    engines = [vars(placement) for placement in built.plan.placements]
    print(json.dumps(engines, default=list, indent=2) if as_json else built.plan.text())


def _secrets(built: Built, *, as_json: bool) -> None:
    rows = [
        {
            "name": name,
            "description": SECRETS[name].description,
            "generate": SECRETS[name].generate,
            "set": name not in built.missing_secrets,
            "needed": True,
        }
        for name in needed_secrets(built.workloads)
    ]
    lines = [f"{row['name']:<22} {'set' if row['set'] else 'NOT SET':<8} {row['description']}" for row in rows]
    print(json.dumps(rows) if as_json else "\n".join(lines))


def _images(built: Built, *, as_json: bool) -> None:
    known = {recipes.reference(name): name for name in recipes.RECIPES}
    rows = [
        {
            "reference": reference,
            "recipe": known.get(reference),
            "services": sorted({workload.service for workload in built.workloads if workload.image == reference}),
            "host": host,
        }
        for host, reference in sorted({(workload.host, workload.image) for workload in built.workloads})
    ]
    print(json.dumps(rows) if as_json else "\n".join(str(row["reference"]) for row in rows))


def _render(built: Built, *, as_json: bool) -> None:
    files = {f"{workload.instance}{file.path}": file.content for workload in built.workloads for file in workload.files}
    text = "\n".join(f"=== {path}\n{content}" for path, content in files.items())
    print(json.dumps(files, indent=2) if as_json else text)


_COMMANDS: Final[dict[str, tuple[Command, str]]] = {
    "check": (_check, "check the declaration and this machine; nothing is created"),
    "plan": (_plan, "print where every engine goes, and why"),
    "secrets": (_secrets, "list the secrets that the stack needs"),
    "images": (_images, "list the images that the stack runs"),
    "render": (_render, "print every rendered file"),
    "schema": (_check, "print the JSON schema of a stack file's configuration, for editors"),
}
