"""Which hosts of a stack a deployment leaves alone: those that weren't asked for, and those that can't be reached."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from bootstrap import console, paths

NAME: Final = "hosts"
# The program itself looks at engines that a deployment doesn't touch; of these hosts it doesn't.
LEFT_ALONE: Final = "HEARTH_LEFT_ALONE"


@dataclass(frozen=True)
class Left:
    """Hosts that are left alone, why those of them that were wanted, and their resources that are declared."""

    hosts: tuple[str, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    urns: tuple[str, ...] = ()

    def excluded(self, state: dict[str, Any]) -> list[str]:
        """Return what the engine is told to leave alone: what is declared there, and what `state` says is there."""
        providers = tuple(f"::docker-{host}::" for host in self.hosts)
        resources = (state.get("deployment") or {}).get("resources") or ()
        deployed = [one["urn"] for one in resources if any(name in one.get("provider", "") for name in providers)]
        return sorted({*self.urns, *deployed})

    def environment(self) -> dict[str, str]:
        """Return what tells the program."""
        return {LEFT_ALONE: ",".join(self.hosts)} if self.hosts else {}


def left_alone(stack: str, only: str = "") -> Left:
    """Ask the stack's hosts for a sign of life, and say which of them will be left alone.

    Raises StepError when no host is left to deploy to, or `only` names none.
    """
    argv = [str(paths.PYTHON), "-m", "infra", "hosts", "--stack", stack, "--json", *(["--only", only] if only else [])]
    rows: list[dict[str, Any]] = json.loads(console.answer(argv, env=paths.environment()))
    left = [row for row in rows if not row["is_chosen"] or row["problem"]]
    problems = {row["name"]: row["problem"] for row in rows if row["problem"]}
    if len(left) == len(rows):
        said = "; ".join(f"{name}: {problem}" for name, problem in problems.items()) or f"{only} uses none of its hosts"
        raise console.StepError(
            f"{NAME}: nothing can be deployed to {stack}. {said}. `python -m infra facts` says more."
        )
    for row in left:
        said = f"can't be reached and is left as it is ({row['problem']})" if row["problem"] else "is left as it is"
        console.done(NAME, f"{row['name']} {said}")
    return Left(tuple(row["name"] for row in left), problems, tuple(urn for row in left for urn in row["urns"]))


def require_whole(stack: str, left: Left) -> None:
    """Raise StepError for hosts that should have been deployed to: the others are as declared."""
    if left.problems:
        names = ", ".join(left.problems)
        raise console.StepError(f"{NAME}: {stack} is up but for {names}. `make up` brings it once it can be reached.")
