"""A machine that goes down and comes back: Docker starts everything at once, the engines don't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.integration.engines import Engines, engine, engines_only
from tests.integration.own_daemon import OwnDaemon
from tests.integration.stacks import TestStack
from tests.integration.test_1_chat import chat

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]

BURST = 3
LIMITS = {"restart_sec": "1s", "restart_max_delay": "1s", "start_limit_burst": BURST, "start_limit_interval": "1h"}


@dataclass
class Machine(Engines):
    """Engines on a daemon that may go down."""

    daemon: OwnDaemon

    def reboot(self) -> None:
        self.daemon.stop()
        self.daemon.start()

    def said(self, instance: str, text: str) -> list[datetime]:
        """Return when its entry point said something."""
        lines = self.stack.docker("logs", "--timestamps", self.id(instance)).splitlines()
        # Docker prints nanoseconds, Python reads microseconds.
        return [
            datetime.fromisoformat(line.split()[0][:26]).replace(tzinfo=UTC)
            for line in lines
            if f"hearth: {text}" in line
        ]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    daemon = OwnDaemon(tmp_path_factory.mktemp("machine"))
    models = {name: engine(restart=LIMITS) for name in ("one", "two")}
    stack = TestStack.make(tmp_path_factory.mktemp("reboot"), engines_only(**models), daemon.socket)
    try:
        daemon.start()
        stack.bootstrap("up")
        yield Machine(stack, daemon)
    finally:
        stack.remove()
        daemon.remove()


def test_engines_of_one_node_come_back_one_after_the_other(machine: Machine) -> None:
    machine.reboot()
    for name in ("one", "two"):
        machine.until_running(name)
    took = {name: machine.said(name, "holds numa-0")[-1] for name in ("one", "two")}
    served = {name: machine.said(name, "serving after")[-1] for name in ("one", "two")}
    first, second = sorted(took, key=lambda name: took[name])
    assert took[first] < served[first] <= took[second] < served[second]
    # Both were there at once, and one of them waited.
    assert machine.said(second, f"waits until {first} has started")
    for name in ("one", "two"):
        assert chat(machine.stack.outputs(), name).status == 200


def test_a_reboot_gives_a_doomed_engine_no_further_starts(machine: Machine) -> None:
    machine.kill_until_failed("two", most=20)
    machine.until("two", lambda status: status["state"] == "failed", "the end of the starts")
    starts = len(machine.said("two", "holds numa-0"))
    machine.reboot()
    machine.until_running("one")
    status = machine.until("two", lambda status: status["state"] == "failed", "its record")
    assert status["starts_in_interval"] == BURST
    assert len(machine.said("two", "holds numa-0")) == starts
    assert chat(machine.stack.outputs(), "one").status == 200
