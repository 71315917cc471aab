"""Small stacks of engines behind the gateway, and what the engines tell of themselves."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.integration.stacks import TestStack, unwatched
from tests.ports import free_ports

# A start takes a quarter of a minute on two quiet cores; a start that waits for others, on a busy machine, some minutes.
WAIT_S: Final = 400.0


def engine(**more: Any) -> dict[str, Any]:
    """A synthetic model on CPU, as small as they come."""
    small = {"source": "synthetic", "device": "cpu", "context": 1024, "max_sequences": 4, "kv_cache": "32MiB"}
    return {**small, "dtype": "bfloat16", **more}


def engines_only(**models: Any) -> dict[str, Any]:
    """These models behind the gateway and the front door, and nothing else."""
    (front,) = free_ports(1)
    return {
        "extends": "local",
        "models": {"tiny-chat": None, "tiny-coder": None, "minilm": None, **models},
        "ui": {"enabled": False, "default_model": None, "embedding_model": None},
        "edge": {"expose": front},
        "monitoring": unwatched(),
    }


@dataclass
class Engines:
    """The engines of a stack that is up."""

    stack: TestStack

    def id(self, instance: str) -> str:
        return self.stack.containers()[instance]

    def status(self, instance: str) -> dict[str, Any]:
        """Return the status file; while the container is away, a state that none has."""
        container = self.stack.containers().get(instance, "absent")
        printed = self.stack.docker("exec", container, "cat", "/run/hearth/status.json", check=False)
        try:
            found: dict[str, Any] = json.loads(printed)
        except ValueError:
            return {"state": printed, "starts": -1, "last_end": None}
        return found

    def until(self, instance: str, wanted: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            status = self.status(instance)
            if wanted(status):
                return status
            time.sleep(0.5)
        printed = self.stack.docker("logs", "--tail", "40", self.id(instance), check=False)
        pytest.fail(f"{instance}: {what} never came: {self.status(instance)}\n{printed}")

    def until_running(self, instance: str) -> dict[str, Any]:
        return self.until(instance, lambda status: status["state"] == "running", "an answer")

    def processes(self, instance: str) -> list[int]:
        """Return the engine's own processes, as the host numbers them; not its entry point."""
        lines = self.stack.docker("top", self.id(instance), "-o", "pid,args", check=False).splitlines()[1:]
        return [int(line.split()[0]) for line in lines if "vllm serve" in line or "VLLM::" in line]

    def kill_until_failed(self, instance: str, most: int) -> None:
        """Kill the engine as soon as it is there, again and again, until it isn't started any more."""
        seen: set[int] = set()
        deadline = time.monotonic() + WAIT_S
        while len(seen) < most and self.status(instance)["state"] != "failed" and time.monotonic() < deadline:
            for process in set(self.processes(instance)) - seen:
                seen.add(process)
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.2)
