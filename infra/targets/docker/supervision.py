"""Reads what a supervised program tells of itself, and what that means for a deployment."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from infra.services.base import STATUS_FILE, Workload

if TYPE_CHECKING:
    from docker.models.containers import Container

# From `docker start` to the entry point's first word: a busy machine takes seconds to start Python.
_SILENCE_S: Final = 120.0
# The program keeps its own time-out; this much later it is the program that hangs.
_MARGIN_S: Final = 120.0
_ENDED: Final = ("waiting", "failed", "ended")


class Look:
    """Looks at one engine again and again while it starts."""

    def __init__(self, workload: Workload) -> None:
        self._since: tuple[str, float] = ("", 0.0)
        self._heard_s = 0.0
        self._began = time.time()
        self._instance = workload.instance

    def __call__(self, workload: Workload, container: Container, waited_s: float) -> str | None:
        """Return what it is busy with, None once it has answered; raises RuntimeError when it has ended, with the cause."""
        state = container.attrs["State"]
        if not state["Running"] and not state["Restarting"]:
            raise RuntimeError(f"{self._instance}: its container has ended with code {state['ExitCode']}")
        status = read_status(container)
        if status is None:
            silent_s = waited_s - self._heard_s
            if silent_s > _SILENCE_S:
                raise RuntimeError(f"{self._instance}: its entry point has told nothing for {silent_s:.0f} s")
            return "its container starts"
        self._heard_s = waited_s
        if status["state"] == "running":
            return None
        end = status["last_end"]
        if end is not None and (status["state"] in _ENDED or end["at"] > self._began):
            raise RuntimeError(f"{self._instance}: {end_text(status)}")
        if status["state"] == "failed":
            raise RuntimeError(f"{self._instance}: failed, {status['detail']}")
        return self._progress(status, workload.start_timeout_s, waited_s)

    def _progress(self, status: dict[str, Any], timeout_s: float, waited_s: float) -> str:
        if status["state"] == "queued":
            return f"waits until {status['lock_holder'] or 'a neighbour'} has started on the same device"
        if self._since[0] != status["state"]:
            self._since = (status["state"], waited_s)
        lasted_s = waited_s - self._since[1]
        if lasted_s > timeout_s + _MARGIN_S:
            raise RuntimeError(f"{self._instance}: still {status['state']} after {lasted_s:.0f} s of {timeout_s:.0f}")
        detail = f" ({status['detail']})" if status["detail"] else ""
        return f"{status['phase']}{detail}, {lasted_s:.0f} of {timeout_s:.0f} s"


def read_status(container: Container) -> dict[str, Any] | None:
    """Return the status file's content; None while there is none."""
    from docker.errors import APIError  # noqa: PLC0415 - a preview reads no status, and must not pay for this import

    try:
        code, printed = container.exec_run(["cat", STATUS_FILE], stderr=False)
        found: dict[str, Any] = json.loads(printed) if code == 0 else {}
    except (APIError, ValueError):
        # It has just ended, or is being started again: the next look tells.
        return None
    return found or None


def end_text(status: dict[str, Any]) -> str:
    """Say why it ended, what mends it, and whether it is tried again."""
    end = status["last_end"]
    again = {
        "waiting": "It will be started again",
        "failed": f"It stays failed after {status['starts_in_interval']} of {status['start_limit_burst']} starts",
        "ended": "It was asked to stop",
    }.get(status["state"], "It is started again")
    lines = "\n".join(f"  {line}" for line in end["lines"])
    return f"{end['says']} ({end['cause']}).\nFix: {end['fix']}.\n{again}. Its last lines:\n{lines}"
