from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_ports

ENTRY_POINT = Path(__file__).parents[3] / "infra" / "services" / "assets" / "engine"
PROGRAM = Path(__file__).with_name("program.py")
WAIT_S = 40.0


class Supervised:
    """The entry point as a real process, with a program that behaves as a test wants."""

    def __init__(self, folder: Path, behaviour: str, name: str = "one", **promise: Any) -> None:
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.status_port = free_ports(2)
        self.lines: list[tuple[float, str]] = []
        self.environment = promise.pop("environment", {})
        limits = {
            "policy": "always",
            "restart_sec_s": 0.2,
            "restart_max_delay_s": 0.4,
            "start_limit_burst": 2,
            "start_limit_interval_s": 600.0,
            "timeout_start_s": 30.0,
            "timeout_stop_s": 5.0,
            "watchdog_s": 0.0,
        }
        self.settings = {
            "instance": name,
            "model": "tiny",
            "kind": promise.pop("kind", "chat"),
            "device": "cpu",
            "cards": [],
            "port": self.port,
            "status_port": self.status_port,
            "prepare": promise.pop("prepare", []),
            "command": promise.pop("command", [sys.executable, str(PROGRAM), str(self.port), behaviour]),
            "promise": {**limits, **promise},
            "locks": str(folder / "locks"),
            "status_file": str(self.folder / "status.json"),
            "history_file": str(self.folder / "starts.json"),
        }
        self.start()

    def start(self) -> None:
        file = self.folder / "engine.json"
        file.write_text(json.dumps(self.settings))
        # A package is imported from where people keep it: bytecode beside the source would be in their way.
        argv = [sys.executable, "-B", str(ENTRY_POINT), str(file)]
        self.ran = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, **self.environment},
        )
        self._reader = threading.Thread(target=self._read, args=(self.ran,), daemon=True)
        self._reader.start()

    def _read(self, ran: subprocess.Popen[str]) -> None:
        assert ran.stdout is not None
        with ran.stdout:
            for line in ran.stdout:
                self.lines.append((time.monotonic(), line.rstrip()))

    @property
    def status(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "status.json").read_text())
        except FileNotFoundError:
            return {"state": "", "starts": 0}
        return found

    def until(self, wanted: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            status = self.status
            if wanted(status):
                return status
            time.sleep(0.05)
        pytest.fail(f"{what} never came; status {self.status}; printed:\n" + "\n".join(text for _, text in self.lines))

    def until_state(self, state: str) -> dict[str, Any]:
        return self.until(lambda status: status["state"] == state, state)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def until_printed(self, text: str) -> None:
        self.until(lambda _: any(text in line for _, line in self.lines), repr(text))

    def program(self) -> int:
        """Return the process id of the newest program."""
        found = [text.split()[1] for _, text in self.lines if text.startswith("program ")]
        return int(found[-1])

    def printed(self, text: str) -> float:
        """Return when a line with `text` was read first."""
        return next(at for at, line in self.lines if text in line)

    def stop(self) -> int:
        """End it as a container's stop does; everything that it printed has been read afterwards."""
        self.ran.send_signal(signal.SIGTERM)
        code = self.ran.wait(timeout=20)
        self._reader.join(timeout=5)
        return code

    def remove(self) -> None:
        if self.ran.poll() is None:
            self.ran.kill()
            self.ran.wait()
        for _, text in self.lines:
            if text.startswith("program "):
                try:
                    os.killpg(int(text.split()[1]), signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self._reader.join(timeout=5)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def make(behaviour: str, **wanted: Any) -> Supervised:
        made.append(Supervised(tmp_path, behaviour, **wanted))
        return made[-1]

    yield make
    for one in made:
        one.remove()
