"""`python -m infra`: see everything that a stack decides, without the Pulumi engine.

Exit codes: 0 fine, 1 the declaration has errors, 2 the command line has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from infra.config.load import read_stack_file
from infra.config.secrets import SECRETS
from infra.errors import Finding, Severity
from infra.pipeline import Built, build, decide, missing_secret_finding, needed_secrets
from infra.plan import Plan, file_of, plan_data, plan_text, previous_text

# What only one command needs is imported by that command: `plan` runs in every editor's save and every pull request.


class Command(Protocol):
    """Answers one question about a stack on standard output."""

    def __call__(self, built: Built, *, as_json: bool) -> None:
        """Print the answer, as text or as JSON."""


_MARKS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "notice"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; findings go to standard error, answers to standard output."""
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in {"plan": _PLAN, **{name: text for name, (_, text) in _COMMANDS.items()}}.items():
        command = commands.add_parser(name, help=description, description=description)
        command.add_argument("--stack", default="local", help="name of the stack (default: local)")
        command.add_argument("--json", action="store_true", help="machine-readable output")
        if name == "plan":
            command.add_argument("--html", type=Path, metavar="FILE", help="write the ledger as one page, too")
            command.add_argument("--save", action="store_true", help="keep the placements for the next plan")
    for name, (_, description) in _ALONE.items():
        commands.add_parser(name, help=description, add_help=False)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _ALONE:
        return _ALONE[given[0]][0](given[1:])
    options = parser.parse_args(given)
    root = Path.cwd()
    if options.command == "plan":
        return _plan(root, options)
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    if built is not None and options.command == "check":
        findings += _local_findings(built, options.stack, root)
        findings += tuple(missing_secret_finding(name, Severity.WARNING) for name in built.missing_secrets)
    _tell(findings)
    if built is None:
        return 1
    wrong = _has_errors(findings)
    if not (wrong and options.command == "check"):
        _COMMANDS[options.command][0](built, as_json=options.json)
    return int(wrong)


def _plan(root: Path, options: argparse.Namespace) -> int:
    """Print the ledger: what the services would run isn't declared for it."""
    written, found = read_stack_file(root, options.stack)
    decided, findings = decide(written, options.stack, found)
    _tell(findings)
    if decided is None:
        return 1
    _, plan = decided
    print(json.dumps(plan_data(plan), indent=2) if options.json else plan_text(plan))
    _keep(plan, root, options)
    return int(_has_errors(findings))


def _keep(plan: Plan, root: Path, options: argparse.Namespace) -> None:
    if options.html is not None:
        from infra.page import page  # noqa: PLC0415

        options.html.write_text(page(plan), encoding="utf-8")
    if options.save:
        file_of(root, options.stack).write_text(previous_text(plan), encoding="utf-8")


def _has_errors(findings: tuple[Finding, ...]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _local_findings(built: Built, stack: str, root: Path) -> tuple[Finding, ...]:
    from infra.doctor.cache import cached_findings  # noqa: PLC0415
    from infra.preflight import local_findings  # noqa: PLC0415

    return (*local_findings(built, stack, root, Severity.ERROR), *cached_findings(root, stack, built))


def _fit(arguments: Sequence[str]) -> int:
    from infra.fit import main_fit  # noqa: PLC0415

    return main_fit(arguments)


def _facts(arguments: Sequence[str]) -> int:
    from infra.facts import main_facts  # noqa: PLC0415

    return main_facts(arguments)


def _doctor(arguments: Sequence[str]) -> int:
    from infra.doctor.command import main_doctor  # noqa: PLC0415

    return main_doctor(arguments)


def _observe(arguments: Sequence[str]) -> int:
    from infra.observe import main_observe  # noqa: PLC0415

    return main_observe(arguments)


def _upgrade(arguments: Sequence[str]) -> int:
    from infra.upgrade import main_upgrade  # noqa: PLC0415

    return main_upgrade(arguments)


def _silence(arguments: Sequence[str]) -> int:
    from infra.silence import main_silence  # noqa: PLC0415

    return main_silence(arguments)


def _adopt(arguments: Sequence[str]) -> int:
    from infra.adopt import main_adopt  # noqa: PLC0415

    return main_adopt(arguments)


def _report(arguments: Sequence[str]) -> int:
    from infra.report import main_report  # noqa: PLC0415

    return main_report(arguments)


def _policy(arguments: Sequence[str]) -> int:
    from infra.policy import main_policy  # noqa: PLC0415

    return main_policy(arguments)


def _review(arguments: Sequence[str]) -> int:
    from infra.review import main_review  # noqa: PLC0415

    return main_review(arguments)


def _drift(arguments: Sequence[str]) -> int:
    from infra.drift import main_drift  # noqa: PLC0415

    return main_drift(arguments)


def _hosts(arguments: Sequence[str]) -> int:
    from infra.hosts import main_hosts  # noqa: PLC0415

    return main_hosts(arguments)


def _schema(arguments: Sequence[str]) -> int:
    from infra.schema import json_schema  # noqa: PLC0415

    argparse.ArgumentParser(prog="python -m infra schema", description=_ALONE["schema"][1]).parse_args(arguments)
    print(json.dumps(json_schema(), indent=2))
    return 0


def _tell(findings: tuple[Finding, ...]) -> None:
    for finding in sorted(set(findings)):
        print(f"{_MARKS[finding.severity]}: {finding}", file=sys.stderr)


def _check(built: Built, *, as_json: bool) -> None:
    answer = {"stack": built.plan.stack, "workloads": [workload.instance for workload in built.workloads]}
    text = f"{built.plan.stack}: {len(built.workloads)} workloads, nothing stands in their way"
    print(json.dumps(answer) if as_json else text)


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
    from images import recipes  # noqa: PLC0415

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


_PLAN: Final = "print the ledger: what every engine asks of every card, needs and gets, and why"
_COMMANDS: Final[dict[str, tuple[Command, str]]] = {
    "check": (_check, "check the declaration and this machine; nothing is created"),
    "secrets": (_secrets, "list the secrets that the stack needs"),
    "images": (_images, "list the images that the stack runs"),
    "render": (_render, "print every rendered file"),
}
# Commands that read a command line of their own.
_ALONE: Final[dict[str, tuple[Callable[[Sequence[str]], int], str]]] = {
    "fit": (_fit, "say whether one model starts on one kind of card, and what to change"),
    "facts": (_facts, "read cards, cores, memory and disks of live hosts as inventory"),
    "review": (_review, "render a preview as the comment that reviewers of a pull request read"),
    "policy": (_policy, "check what a stack deploys against rules, without the engine"),
    "drift": (_drift, "compare what runs on every host with what is declared"),
    "hosts": (_hosts, "say which hosts of a stack answer, and what runs on each"),
    "doctor": (_doctor, "say whether the hosts of a stack can run it: Docker, cards, ports, disks, clocks, ways"),
    "observe": (_observe, "say what running engines report, against the plan; --save keeps it for the next plan"),
    "upgrade": (_upgrade, "say what another version of vLLM would mean for a stack; nothing is touched"),
    "report": (_report, "write the ledger, plan against observed, alerts and charts of the last hours as one page"),
    "silence": (_silence, "silence alerts while somebody works on a host, list silences, or end them"),
    "adopt": (_adopt, "print a compose project in Hearth's words, what changes by it, and the way over with data kept"),
    "schema": (_schema, "print the JSON schema of a stack file's configuration, for editors"),
}
