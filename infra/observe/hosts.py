"""One connection per host asks Docker for the stack's engines, and every engine for its status and metrics."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.config.inventory import Host
from infra.facts.host import Run, run_command, shell_of
from infra.facts.script import DONE, FRAME, Answers, answers
from infra.observe.reading import Metrics, Status, metrics_of, plain, status_of
from infra.pipeline import PROJECT
from infra.plan import ENGINE_PORT
from infra.services.base import STATUS_FILE

ENGINE_SERVICE: Final = "vllm"
_SHAPE: Final = '{"labels":{{json .Config.Labels}},"state":{{json .State}},"command":[{{json .Config.Entrypoint}},{{json .Config.Cmd}}]}'
# A stopped container can't run cat, but its files are still there.
_QUESTIONS: Final = r"""
engines() { $limit docker ps -aq --no-trunc --filter label=%(project)s.stack=%(stack)s --filter label=%(project)s.service=%(service)s; }
ask ids docker ps -q --filter label=%(project)s.stack=%(stack)s
for id in $(engines </dev/null 2>/dev/null); do
  ask "engine:$id" docker inspect --format '%(shape)s' "$id"
  if [ "$($limit docker inspect --format '{{.State.Running}}' "$id" </dev/null 2>/dev/null)" = true ]; then
    ask "status:$id" docker exec "$id" cat %(status)s
    ask "metrics:$id" docker exec "$id" curl -fsS --noproxy '*' --max-time 10 http://127.0.0.1:%(port)s/metrics
  else
    ask "status:$id" sh -c 'docker cp "$0":%(status)s - | tar -xOf -' "$id"
  fi
done
"""


@dataclass(frozen=True)
class Container:
    """An engine's container as Docker and the engine itself describe it. `health` is empty where nothing tells it."""

    instance: str
    is_running: bool
    state: str
    exit_code: int | None
    health: str
    labels: Mapping[str, str]
    command: tuple[str, ...]
    status: Status | None
    metrics: Metrics | None


@dataclass(frozen=True)
class HostAnswer:
    """What one host said; with a `problem` it couldn't be asked."""

    host: str
    containers: tuple[Container, ...] = ()
    problem: str = ""
    fix: str = ""


def ask_host(name: str, host: Host, stack: str, run: Run = run_command) -> HostAnswer:
    """Ask one host for the engines of a stack. Never raises."""
    words = {
        "project": PROJECT,
        "stack": shlex.quote(stack),
        "service": ENGINE_SERVICE,
        "shape": _SHAPE,
        "status": STATUS_FILE,
        "port": ENGINE_PORT,
    }
    argv, script, wrong = shell_of(host.connection, FRAME + _QUESTIONS % words + DONE, host.ssh_options)
    if wrong is not None:
        return HostAnswer(name, problem=wrong.problem, fix=wrong.fix)
    by_hand = f"`python -m infra facts {host.connection}` says more"
    try:
        ran = run(argv, script)
    except subprocess.TimeoutExpired as error:
        return HostAnswer(name, problem=f"didn't answer within {error.timeout:g} s", fix=by_hand)
    except OSError as error:
        return HostAnswer(name, problem=f"{argv[0]} can't be run: {error.strerror or error}", fix=f"install {argv[0]}")
    answered = answers(ran.out)
    if not answered.is_whole:
        said = plain(ran.said) or f"exit status {ran.code}"
        return HostAnswer(name, problem=f"can't be asked: {said}", fix=by_hand)
    listing = answered.of("ids")
    if listing.code:
        return HostAnswer(name, problem=f"its Docker doesn't answer: {plain(listing.said).rstrip('.?! ')}", fix=by_hand)
    ids = [key.partition(":")[2] for key in answered.by_name if key.startswith("engine:")]
    found = (_container(answered, container_id) for container_id in ids)
    return HostAnswer(name, tuple(container for container in found if container is not None))


def _container(answered: Answers, container_id: str) -> Container | None:
    """Return one container; None when it was removed while the host was asked."""
    try:
        shape: Any = json.loads(answered.text(f"engine:{container_id}"))
    except ValueError:
        return None
    labels = {str(key): str(value) for key, value in (shape["labels"] or {}).items()}
    state: Mapping[str, Any] = shape["state"]
    return Container(
        instance=plain(labels.get(f"{PROJECT}.instance")),
        is_running=bool(state.get("Running")),
        state=plain(state.get("Status")),
        exit_code=state.get("ExitCode"),
        health=plain((state.get("Health") or {}).get("Status")),
        labels=labels,
        command=_words(shape["command"]),
        status=status_of(answered.text(f"status:{container_id}")),
        metrics=metrics_of(answered.text(f"metrics:{container_id}")),
    )


def _words(parts: Sequence[Sequence[str] | None]) -> tuple[str, ...]:
    return tuple(str(word) for part in parts for word in part or ())
