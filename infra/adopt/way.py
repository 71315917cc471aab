"""The way over: commands in their order, with the downtime that the plan allows for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.adopt.data import Data
from infra.adopt.service import Origin
from infra.adopt.told import Secret
from infra.config.secrets import SECRETS
from infra.plan import Plan
from infra.plan.start_budget import minutes

_COPIER: Final = "alpine:3.22"


@dataclass(frozen=True)
class Step:
    """One step: what it is for, and its commands; a line of `commands` that starts with # is a remark."""

    purpose: str
    commands: tuple[str, ...]


def way_over(
    stack: str,
    project: str,
    data: Sequence[Data],
    secrets: Sequence[Secret],
    plan: Plan | None,
    *,
    docker: str = "docker",
    comes_back: bool = False,
) -> list[Step]:
    """Return the steps from a running compose project to a running stack, and back.

    `comes_back` says that a container of it starts again with its host although it was stopped (restart: always).
    """
    still = [one for one in data if not one.is_live]
    live = [one for one in data if one.is_live]
    images = f". .hearth/env.sh && python -m infra images --stack {stack} | xargs -n1 {docker} pull"
    settings = [line for one in secrets for line in secret_lines(one, stack)]
    steps = [
        Step(f"a stack for it: the configuration above is Pulumi.{stack}.yaml", (f"make preview STACK={stack}",)),
        Step("its secrets: what isn't set, `make up` makes", tuple(settings)),
        Step("images and weights, while everything still runs", (images, *_copies(still, docker))),
        Step(
            f"the old containers stop: the downtime begins{_downtime(plan)}",
            (*(_untied(project, docker) if comes_back else ()), f"{docker} compose -p {project} stop"),
        ),
        Step("data that must not change under the copy", _copies(live, docker)),
        Step("the stack", (f"make up STACK={stack}",)),
        Step(
            "if it isn't what you want: back, with nothing lost", _back(stack, project, docker, comes_back=comes_back)
        ),
        Step(
            "when it is: the old containers go; their volumes stay until you remove them",
            (f"{docker} compose -p {project} down    # without -v", *_removals(data, docker)),
        ),
    ]
    return [step for step in steps if step.commands]


def _untied(project: str, docker: str) -> tuple[str, ...]:
    every = f"{docker} ps -aq --filter label=com.docker.compose.project={project}"
    return (f"{every} | xargs {docker} update --restart no    # `always` would start them again with the host",)


def _back(stack: str, project: str, docker: str, *, comes_back: bool) -> tuple[str, ...]:
    remark = "    # `up -d` with its files gives it its restart policies back" if comes_back else ""
    return (f"make down STACK={stack}", f"{docker} compose -p {project} start{remark}")


def downtime_s(plan: Plan) -> float:
    """Return the longest that all engines together may take to start, in seconds: those that wait follow each other."""
    known = {one.instance: one for one in plan.placements}
    ends: dict[str, float] = {}

    def end(instance: str) -> float:
        if instance not in ends:
            ends[instance] = 0.0
            one = known[instance]
            before = [end(other) for other in one.after if other in known]
            ends[instance] = max(before, default=0.0) + one.start_timeout_s
        return ends[instance]

    by_card: dict[tuple[str, str], float] = {}
    for one in plan.placements:
        for card in one.gpus:
            by_card[one.host, card] = by_card.get((one.host, card), 0.0) + one.start_timeout_s
    return max([*(end(name) for name in known), *by_card.values()], default=0.0)


def secret_lines(secret: Secret, stack: str) -> list[str]:
    """Return the commands that set a secret from where it is today; no line holds its value."""
    target = f"pulumi config set --secret hearth:{secret.name} --stack {stack}"
    where = f"{secret.service}: {secret.origin.name}"
    if secret.problem:
        return [f"# {secret.name} ({where}): today's {secret.problem}; `make up` makes a new one, which clients must be given"
                if SECRETS[secret.name].generate else f"# {secret.name} ({where}): today's {secret.problem}: {target}"]  # fmt: skip
    piped = _from_file(secret.origin) if secret.origin.kind in {"variable", "file"} else None
    if piped is not None:
        return [f"{piped} | {target}"]
    if secret.origin.kind == "shell":
        return [f'printf %s "${secret.origin.name}" | {target}']
    place = {"container": "what `docker inspect` shows", "compose": "what the compose file says"}.get(
        secret.origin.kind, "the value"
    )
    return [f"{target}    # asks for it: {place} of {where}"]


def _from_file(origin: Origin) -> str | None:
    """Return a pipe that prints one value of a .env file; None where sed can't undo its quotes."""
    try:
        lines = Path(origin.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in reversed(lines):
        match = re.fullmatch(rf"\s*(?:export\s+)?{re.escape(origin.name)}\s*=\s*(.*?)\s*", line)
        if match is None:
            continue
        value = match[1]
        quote = value[:1] if value[:1] in {"'", '"'} else ""
        if quote == '"' and "\\" in value:
            return None
        ending = f"{quote}.*" if quote else r"[[:space:]]\{1,\}#.*" if re.search(r"\s#", value) else r"[[:space:]]*$"
        inner = f"[^{quote}]*" if quote else ".*[^[:space:]]"
        pattern = rf"s/^\(export \)\{{0,1\}}{origin.name}={quote}\({inner}\){ending}/\2/p"
        return f"sed -n {shlex.quote(pattern)} {shlex.quote(origin.file)} | tail -n1"
    return None


def _copies(data: Sequence[Data], docker: str) -> tuple[str, ...]:
    lines = []
    for one in data:
        labels = " ".join(f"--label {label}" for label in one.labels)
        lines.append(f"{docker} volume create {labels} {one.volume}")
        into = f"/to/{one.folder}" if one.folder else "/to"
        copy = f"mkdir -p {into} && cp -a /from/. {into}/"
        run = f"{docker} run --rm --user 0 --network none -v {shlex.quote(one.source)}:/from:ro -v {one.volume}:/to"
        lines.append(
            f"{run} --entrypoint sh {one.image or _COPIER} -c {shlex.quote(copy)}    # {one.service} → {one.logical}"
        )
    return tuple(dict.fromkeys(lines))


def _removals(data: Sequence[Data], docker: str) -> tuple[str, ...]:
    volumes = sorted({one.source for one in data if not one.source.startswith("/")})
    return (f"# later: {docker} volume rm {' '.join(volumes)}",) if volumes else ()


def _downtime(plan: Plan | None) -> str:
    if plan is None or not plan.placements:
        return ""
    return f" (until the engines answer: at most {minutes(downtime_s(plan))} by their start budgets, plus the copies below)"
