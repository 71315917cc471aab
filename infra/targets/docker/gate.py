"""Waits until a container does what it is for, and stops at once when it has ended.

pulumi-docker's own `wait` goes on waiting for a container that is dead, and a container that it waits for is not
in the state yet: an interrupted `up` would leave it behind. A hook runs after the container is recorded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pulumi

from infra.services.base import Workload
from infra.targets.docker import supervision
from infra.targets.docker.connection import Connection, UnreachableError
from infra.targets.docker.silence import NotSilencedError, Silencer

if TYPE_CHECKING:
    import docker
    import pulumi_docker
    from docker.models.containers import Container

    _Hook = pulumi.ResourceHook | Callable[[pulumi.ResourceHookArgs], Awaitable[None] | None]

# Ten containers asked twice a second keep a small machine from starting them.
_POLL_S: Final = 2.0
_PROGRESS_S: Final = 15.0
_LOG_LINES: Final = 25
# Alerts hold for a minute, and look back over a lost scrape or two.
_SETTLE_S: Final = 120.0
# What a start may take beyond its own time: the image is unpacked, and a neighbour starts first.
_MARGIN_S: Final = 300.0
# A restarted daemon is back within seconds, and ssh within its own retries.
_AWAY_S: Final = 60.0


def hooks(
    workload: Workload, container_name: str, connection: Connection, quiet: Quiet
) -> pulumi.ResourceHookBinding | None:
    """Return what silences a workload's alerts while it is made and waits until it is well; None where there is neither.

    What was only updated is waited for too, where anything tells how it is.
    """

    async def begin(arguments: pulumi.ResourceHookArgs) -> None:
        del arguments
        await _on_its_own(quiet.begin)

    async def wait(arguments: pulumi.ResourceHookArgs) -> None:
        del arguments
        left_s = 0.0
        try:
            if _is_told(workload):
                await _waited(workload, container_name, connection)
            left_s = _SETTLE_S
        finally:
            # Also when the whole deployment is cancelled: what isn't well by now is for people to know.
            await _on_its_own(quiet.end, left_s)

    hook = pulumi.ResourceHook(f"healthy-{workload.instance}", wait)
    if not quiet.is_heard:
        return pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook]) if _is_told(workload) else None
    # A failed hook before it would stop the deployment.
    may_fail = pulumi.ResourceHookOptions(ignore_errors=True)
    silence: _Hook = pulumi.ResourceHook(f"quiet-{workload.instance}", begin, may_fail)
    after_update: list[_Hook] | None = [hook] if _is_told(workload) else None
    return pulumi.ResourceHookBinding(before_create=[silence], after_create=[hook], after_update=after_update)


class Quiet:
    """The silence of one workload's alerts while it is being made. Whether it works decides nothing: the deploy goes on."""

    def __init__(self, workload: Workload, silencer: Silencer | None, stack: str) -> None:
        # Nothing scrapes a step, and nothing asks it.
        self._silencer = None if workload.one_shot else silencer
        self._workload, self._stack = workload, stack
        self._ids: list[str] = []
        self._began = 0.0

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to be told, and anything to tell."""
        return self._silencer is not None

    def begin(self) -> None:
        """Silence the workload for as long as it may take to start, and a little longer."""
        self._began = time.monotonic()
        longest_s = self._workload.start_timeout_s + _MARGIN_S
        if self._silencer is None:
            return
        # One that doesn't hear the first isn't asked again.
        with self._unheard() as silencer:
            for matcher in self._matchers():
                self._ids.append(silencer.add([matcher], longest_s, f"deploy of {self._stack}"))

    def end(self, left_s: float) -> None:
        """Let the silence end after so many seconds: what was seen before the workload was healthy mustn't flash up."""
        ids, self._ids = self._ids, []
        for silence in ids:
            with self._unheard() as silencer:
                if left_s:
                    silencer.set_length(silence, time.monotonic() - self._began + left_s)
                else:
                    silencer.end([silence])

    def _matchers(self) -> list[str]:
        # Alerts of a model as a whole have no instance. An engine without siblings is called as its model is, and then the
        # model is away with it; that of one of several (coder-0) is no model's name, and silences nothing.
        names = ("instance", "model_name") if self._workload.supervised else ("instance",)
        return [f"{name}={self._workload.instance}" for name in names]

    @contextmanager
    def _unheard(self) -> Iterator[Silencer]:
        """Give the silencer; that nobody hears it is no news but to who looks for it."""
        assert self._silencer is not None
        try:
            yield self._silencer
        except NotSilencedError as error:
            pulumi.log.debug(f"{self._workload.instance}: its alerts aren't silenced: {error}")


async def _on_its_own(do: Callable[..., None], *arguments: Any) -> None:
    """Run what waits for others on a thread of its own.

    The loop's pool has four more than there are cores, and a whole stack waits at once.
    """
    with ThreadPoolExecutor(max_workers=1) as own:
        await asyncio.get_running_loop().run_in_executor(own, do, *arguments)


def verify(
    workload: Workload, container: pulumi_docker.Container, container_name: str, connection: Connection
) -> pulumi.Input[pulumi.Resource]:
    """Look at what this `up` didn't touch as well: what failed since, or then, must not look like success.

    Returns what those depend on that come after it: of a step, that it has ended well. One that failed is tried again.
    """

    async def wait(_: str) -> pulumi.Resource:
        try:
            await _waited(workload, container_name, connection, may_start=True)
        except RuntimeError as error:
            # Told as it is: what fails outside of a hook is shown with a traceback else.
            raise pulumi.RunError(str(error)) from None
        return container

    if not workload.supervised and not workload.one_shot:
        return container
    verified: pulumi.Output[pulumi.Resource] = container.id.apply(wait)
    return verified if workload.one_shot else container


async def _waited(workload: Workload, container_name: str, connection: Connection, *, may_start: bool = False) -> None:
    await _on_its_own(_wait, workload, container_name, connection, may_start)


def _is_told(workload: Workload) -> bool:
    return workload.probe is not None or workload.one_shot


def _wait(workload: Workload, container_name: str, connection: Connection, may_start: bool) -> None:  # noqa: FBT001 - an executor's call
    import docker  # noqa: PLC0415 - a preview never waits, and must not pay for this import

    look = supervision.Look(workload) if workload.supervised else looks_done if workload.one_shot else _looks_healthy
    told = began = seen = time.monotonic()
    with _reached(workload, connection) as client:
        if may_start and workload.one_shot:
            try:
                start_again(client.containers.get(container_name))
            except docker.errors.NotFound:
                # `docker container prune` takes what has ended; its work is done.
                return
        while True:
            try:
                container = client.containers.get(container_name)
                progress = look(workload, container, time.monotonic() - began)
                seen = time.monotonic()
            except docker.errors.NotFound:
                raise RuntimeError(f"{workload.instance}: its container was removed meanwhile") from None
            except (docker.errors.DockerException, OSError) as error:
                # A lost connection or a restarted daemon: the container goes on meanwhile.
                if time.monotonic() - seen > _AWAY_S:
                    raise RuntimeError(f"{workload.instance}: its host doesn't answer: {error}") from None
                progress = "its host doesn't answer"
            if progress is None:
                return
            if time.monotonic() - told > _PROGRESS_S:
                told = time.monotonic()
                pulumi.log.info(f"{workload.instance}: {progress}", None)
            time.sleep(_POLL_S)


@contextmanager
def _reached(workload: Workload, connection: Connection) -> Iterator[docker.DockerClient]:
    try:
        with connection.client() as client:
            yield client
    except UnreachableError as error:
        raise RuntimeError(f"{workload.instance}: its host doesn't answer: {error}") from None


# A look returns None when all is well, else what the container is busy with; it raises RuntimeError when that will never be.
def _looks_healthy(workload: Workload, container: Container, waited_s: float) -> str | None:
    state: dict[str, Any] = container.attrs["State"]
    health = state.get("Health", {}).get("Status")
    if health == "healthy":
        return None
    if container.attrs["RestartCount"] or not state["Running"]:
        raise _failed(workload, container, f"{_end(state)} instead of becoming healthy")
    if health == "unhealthy":
        raise _failed(workload, container, "is unhealthy")
    return _in_time(workload, container, waited_s, "not healthy yet")


def looks_done(workload: Workload, container: Container, waited_s: float) -> str | None:
    """Look at a step that runs to its end."""
    state: dict[str, Any] = container.attrs["State"]
    if not state["Running"] and not state["ExitCode"]:
        return None
    policy = container.attrs["HostConfig"]["RestartPolicy"]
    # Without a maximum (0) Docker goes on for ever; people are told at its first end.
    is_last = policy["Name"] != "on-failure" or container.attrs["RestartCount"] >= policy["MaximumRetryCount"]
    if not state["Running"] and is_last:
        raise _failed(workload, container, _end(state))
    last = _last_lines(container, 1)
    return _in_time(workload, container, waited_s, last.removeprefix("hearth: ") or "runs")


def start_again(container: Container) -> None:
    """Start a step that has ended badly: the container is as declared, so that nothing else would."""
    state: dict[str, Any] = container.attrs["State"]
    if not state["Running"] and not state["Restarting"] and state["ExitCode"]:
        container.start()


def _in_time(workload: Workload, container: Container, waited_s: float, doing: str) -> str:
    if waited_s > workload.start_timeout_s:
        raise _failed(
            workload, container, f"{doing} after {workload.start_timeout_s:.0f} s, all it has (restart.timeout_start)"
        )
    return f"{doing}, {waited_s:.0f} of {workload.start_timeout_s:.0f} s"


def _end(state: dict[str, Any]) -> str:
    killed = " (killed for memory)" if state.get("OOMKilled") else ""
    return f"ended with code {state['ExitCode']}{killed}"


def _failed(workload: Workload, container: Container, problem: str) -> RuntimeError:
    lines = _last_lines(container, _LOG_LINES)
    return RuntimeError(f"{workload.instance}: {problem}. Its last lines:\n{lines}")


def _last_lines(container: Container, count: int) -> str:
    text: str = container.logs(tail=count).decode(errors="replace")
    return text.strip()
