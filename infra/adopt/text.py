"""What `adopt` answers, as text and as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import yaml

from infra.adopt.adoption import Adoption
from infra.adopt.data import Data
from infra.adopt.told import Note
from infra.adopt.way import Step
from infra.errors import Finding
from infra.plan import Plan, plan_text

_IMPORT: Final = """\
No `pulumi import`. A volume needs none: `up` takes the one of its name as it is; imported by hand it would have no parent, and
the next `up` would delete it to make the declared one. Containers could be imported, but Hearth declares them otherwise (name,
network, entry point, files), so the next `up` would replace every one: the same downtime for nothing."""


@dataclass(frozen=True)
class Answer:
    """Everything that is said of one project."""

    stack: str
    adoption: Adoption
    data: Sequence[Data]
    steps: Sequence[Step]
    plan: Plan | None
    differences: Sequence[Note]
    findings: Sequence[Finding]


def config_text(answer: Answer) -> str:
    """Return the stack file."""
    config = {"pulumi:disable-default-providers": ["*"]}
    values = {f"hearth:{key}": value for key, value in answer.adoption.values.items()}
    head = (
        "# yaml-language-server: $schema=docs/stack.schema.json\n"
        f"# Adopted from the compose project {answer.adoption.project.name} by `python -m infra adopt`.\n"
    )
    return head + yaml.dump({"config": {**config, **values}}, Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes the same map twice rather than an anchor: people edit the file."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say yes to every value."""
        del data
        return True


def answer_text(answer: Answer) -> str:
    """Return everything besides the stack file, as people read it."""
    told = answer.adoption.told
    parts: list[str] = []
    if answer.differences:
        parts.append("What runs differs from the file; what runs counts\n" + _notes(answer.differences))
    parts.append("What changes\n" + _notes(told.changes))
    parts.append("What has no place in Hearth\n" + (_notes(told.homeless) or "  nothing"))
    if answer.plan is not None and answer.plan.placements:
        parts.append("The plan\n" + _indented(plan_text(answer.plan)))
    if answer.steps:
        steps = "\n".join(_step(number, step) for number, step in enumerate(answer.steps, 1))
        parts.append(f"The way over\n{steps}\n\n{_IMPORT}")
    return "\n\n".join(parts)


def answer_data(answer: Answer) -> dict[str, Any]:
    """Return everything as plain values."""
    told = answer.adoption.told
    return {
        "stack": answer.stack,
        "project": answer.adoption.project.name,
        "config": dict(answer.adoption.values),
        "models": dict(answer.adoption.names),
        "differences": [asdict(note) for note in answer.differences],
        "changes": [asdict(note) for note in _sorted(told.changes)],
        "no_place": [asdict(note) for note in _sorted(told.homeless)],
        "secrets": [
            {"name": one.name, "service": one.service, "from": one.origin.name, "problem": one.problem or None}
            for one in told.secrets.values()
        ],
        "data": [asdict(one) for one in answer.data],
        "steps": [asdict(step) for step in answer.steps],
        "findings": [
            {"path": one.path, "problem": one.problem, "fix": one.fix, "severity": str(one.severity)}
            for one in answer.findings
        ],
    }


def _sorted(notes: Iterable[Note]) -> list[Note]:
    return list(dict.fromkeys(notes))


def _notes(notes: Iterable[Note]) -> str:
    """Return sentences by whom they are about: once for several that they are the same for."""
    about: dict[str, list[str]] = {}
    for note in _sorted(notes):
        about.setdefault(note.text, []).append("the project" if note.service == "*" else note.service)
    by_services: dict[str, list[str]] = {}
    for text, services in about.items():
        by_services.setdefault(", ".join(services), []).append(text)
    return "\n".join(
        f"  {services}\n" + "\n".join(f"    - {text}" for text in texts)
        for services, texts in sorted(by_services.items())
    )


def _step(number: int, step: Step) -> str:
    return f"  {number}. {step.purpose}\n" + "\n".join(f"     {line}" for line in step.commands)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
