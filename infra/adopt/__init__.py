"""`python -m infra adopt`: a compose project in Hearth's words, what changes by it, and the way over with data kept.

Nothing is touched. Exit codes: 0 fine, 1 something stands in the way, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from infra.adopt.adoption import UNKNOWN_CARD, Adoption, adopt
from infra.adopt.compose_file import ComposeError, Project, read_project
from infra.adopt.data import data_of
from infra.adopt.service import Service, services_of
from infra.adopt.text import Answer, answer_data, answer_text, config_text
from infra.adopt.told import Note
from infra.adopt.way import way_over
from infra.config.load import Written, read_stack_file
from infra.config.types import is_slug
from infra.errors import Finding, Severity
from infra.pipeline import build

_MARKS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "notice"}


def main_adopt(arguments: Sequence[str]) -> int:
    """Answer for one project; see the module."""
    options = _options(arguments)
    root = Path.cwd()
    try:
        project = read_project(options.files, name=options.project, env_file=options.env_file, profiles=options.profile)
        services: Mapping[str, Service] = services_of(project)
        differences: Sequence[Note] = ()
        if options.running:
            project, services, differences = _running(project, services, options.connection)
    except ComposeError as error:
        print(f"error: {error.finding}", file=sys.stderr)
        return 1
    answer = answer_for(project, services, root, _stack(options, project), card=options.gpu,
                        connection=options.connection, differences=differences)  # fmt: skip
    findings = [*answer.findings, *_write(options.write, answer)]
    for finding in sorted(set(findings)):
        print(f"{_MARKS[finding.severity]}: {finding}", file=sys.stderr)
    _print(answer, options)
    return int(any(finding.severity is Severity.ERROR for finding in findings))


def answer_for(
    project: Project,
    services: Mapping[str, Service],
    root: Path,
    stack: str,
    *,
    card: str | None = None,
    connection: str = "local",
    differences: Sequence[Note] = (),
) -> Answer:
    """Translate a project for a stack, and build that stack to see what stands in its way."""
    adoption = adopt(
        project, services, inventory=_inventory(root, stack), card=card or UNKNOWN_CARD, connection=connection
    )
    built, findings = build(Written(adoption.values, {}, root), stack, [])
    data = data_of(adoption, built) if built is not None else []
    secrets = list(adoption.told.secrets.values())
    docker = "docker" if connection == "local" else f"docker -H {connection}"
    plan = built.plan if built is not None and not adoption.has_unknown_cards else None
    steps = (
        way_over(
            stack,
            project.name,
            data,
            secrets,
            plan,
            docker=docker,
            comes_back=any(service.restart == "always" for service in services.values()),
        )
        if adoption.values["models"]
        else []
    )
    return Answer(stack, adoption, data, steps, plan, differences, (*adoption.findings, *_findings(adoption, findings)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra adopt", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="COMPOSE.yaml", help="compose files, later ones on top")
    parser.add_argument("--project", metavar="NAME", help="name of the compose project (default: as Compose finds it)")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="variables (default: .env beside the first file)")
    parser.add_argument("--profile", action="append", default=[], help="a profile to adopt; may be given several times")
    parser.add_argument(
        "--stack", type=_slug, help="stack to declare, whose inventory counts if it has one (default: the project)"
    )
    parser.add_argument(
        "--gpu", metavar="CARD", help="what the host's cards are, as in 'RTX 4090', where no inventory says it"
    )
    parser.add_argument(
        "--connection", default="local", help="where the project runs: local (default) or ssh://user@host"
    )
    parser.add_argument(
        "--running", action="store_true", help="ask the project's containers instead of trusting the file"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the stack file, as in Pulumi.mine.yaml")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser.parse_args(arguments)


def _slug(text: str) -> str:
    if not is_slug(text):
        msg = f"{text!r} can't name a stack; use a-z, 0-9 and -, start with a letter"
        raise argparse.ArgumentTypeError(msg)
    return text


def _stack(options: argparse.Namespace, project: Project) -> str:
    if options.stack:
        return str(options.stack)
    plain = project.name.replace("_", "-").strip("-")
    return plain if is_slug(plain) else "adopted"


def _inventory(root: Path, stack: str) -> Mapping[str, Any] | None:
    """Return the inventory that a stack of this name has already; its cards are known."""
    if not (root / f"Pulumi.{stack}.yaml").exists():
        return None
    written, _ = read_stack_file(root, stack)
    found = written.values.get("inventory")
    return found if isinstance(found, Mapping) and found.get("hosts") else None


def _running(
    project: Project, services: Mapping[str, Service], connection: str
) -> tuple[Project, Mapping[str, Service], Sequence[Note]]:
    from infra.adopt.running import running_project  # noqa: PLC0415 - only this asks a daemon

    return running_project(project, services, connection)


def _findings(adoption: Adoption, findings: Sequence[Finding]) -> list[Finding]:
    if not adoption.has_unknown_cards:
        return list(findings)
    path = "hearth:inventory.hosts"
    unknown = Finding(path, "a compose file doesn't say what its host's cards are, so nothing was planned",
                      "add --gpu with their name, or put what `python -m infra facts` says into the stack's file")  # fmt: skip
    # Of cards without memory, all else that the planner says is wrong.
    known = [one for one in findings if not one.path.startswith(("hearth:models", path)) or "card" not in str(one)]
    return [unknown, *(one for one in known if "doesn't start" not in one.problem)]


def _write(file: Path | None, answer: Answer) -> list[Finding]:
    if file is None:
        return []
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(config_text(answer))
    except FileExistsError:
        return [Finding(str(file), "is there already, and is left as it is", "name another file, or move it away")]
    except OSError as error:
        return [Finding(str(file), f"can't be written: {error.strerror}", "name a file in a folder that is there")]
    return []


def _print(answer: Answer, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(answer_data(answer), indent=2))
    elif options.write:
        print(answer_text(answer))
    else:
        # One valid stack file as a whole.
        print(config_text(answer))
        print("\n".join(f"# {line}".rstrip() for line in answer_text(answer).splitlines()))
