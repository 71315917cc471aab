"""Waits until a container is healthy, and stops at once when it has ended.

pulumi-docker's own `wait` goes on waiting for a container that is dead, and a container that it waits for is not
in the state yet: an interrupted `up` would leave it behind. A hook runs after the container is recorded.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import pulumi

from infra.services.base import Workload

if TYPE_CHECKING:
    from docker.models.containers import Container

# Ten containers asked twice a second keep a small machine from starting them.
_POLL_S: Final = 2.0
_PROGRESS_S: Final = 15.0
_LOG_LINES: Final = 25


def hooks(workload: Workload, container_name: str, socket: str) -> pulumi.ResourceHookBinding | None:
    """Return what waits for a workload after it was created or updated; None where nothing tells its health."""
    if workload.probe is None:
        return None

    async def wait(arguments: pulumi.ResourceHookArgs) -> None:
        del arguments
        await asyncio.to_thread(_wait, workload, container_name, socket)

    hook = pulumi.ResourceHook(f"healthy-{workload.instance}", wait)
    return pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])


def _wait(workload: Workload, container_name: str, socket: str) -> None:
    import docker  # noqa: PLC0415 - a preview never waits, and must not pay for this import

    client = docker.DockerClient(base_url=socket, use_ssh_client=socket.startswith("ssh://"), version="auto")
    started = told = time.monotonic()
    try:
        while True:
            container = client.containers.get(container_name)
            state: dict[str, Any] = container.attrs["State"]
            if state.get("Health", {}).get("Status") == "healthy":
                return
            waited_s = time.monotonic() - started
            problem = _problem(workload, container, waited_s)
            if problem:
                raise RuntimeError(f"{workload.instance}: {problem}. Its last lines:\n{_last_lines(container)}")
            if time.monotonic() - told > _PROGRESS_S:
                told = time.monotonic()
                pulumi.log.info(
                    f"{workload.instance}: not healthy yet after {waited_s:.0f} s of {workload.start_timeout_s:.0f}",
                    None,
                )
            time.sleep(_POLL_S)
    finally:
        client.close()


def _problem(workload: Workload, container: Container, waited_s: float) -> str:
    state = container.attrs["State"]
    if container.attrs["RestartCount"] or not state["Running"]:
        killed = " (killed for memory)" if state.get("OOMKilled") else ""
        return f"ended with code {state['ExitCode']}{killed} instead of becoming healthy"
    if state.get("Health", {}).get("Status") == "unhealthy":
        return "is unhealthy"
    if waited_s > workload.start_timeout_s:
        return f"not healthy within {workload.start_timeout_s:.0f} s (restart.timeout_start)"
    return ""


def _last_lines(container: Container) -> str:
    text: str = container.logs(tail=_LOG_LINES).decode(errors="replace")
    return text.strip()
