"""What the gate does with a step that has ended. What it waits for is proved on real containers: tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from infra.config.restart import Restart
from infra.services.base import Workload
from infra.targets.docker.gate import looks_done, start_again

STEP = Workload("prefetch-coder", "prefetch", "local", "image", ("x",), Restart(), one_shot=True, start_timeout_s=60.0)


class Step:
    """A container that counts its starts."""

    def __init__(self, **state: Any) -> None:
        self.attrs: dict[str, Any] = {"State": {"Running": False, "Restarting": False, "ExitCode": 0, **state}}
        self.attrs["RestartCount"] = 3
        self.attrs["HostConfig"] = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}
        self.starts = 0

    def logs(self, *, tail: int) -> bytes:
        del tail
        return b"hearth: fetching 1.0 of 2.0 GiB, 90 MB/s\n"

    def start(self) -> None:
        self.starts += 1


@pytest.mark.parametrize(
    ("state", "starts"),
    [
        ({"ExitCode": 22}, 1),
        ({"ExitCode": 0}, 0),
        ({"Running": True}, 0),
        ({"Restarting": True, "ExitCode": 22}, 0),
    ],
)
def test_a_step_that_failed_in_an_earlier_up_is_tried_again(state: dict[str, Any], starts: int) -> None:
    step = Step(**state)
    start_again(step)
    assert step.starts == starts


def test_a_step_has_failed_when_docker_tries_it_no_more() -> None:
    step = Step(ExitCode=22)
    with pytest.raises(RuntimeError, match="prefetch-coder: ended with code 22"):
        looks_done(STEP, step, 1.0)
    step.attrs["RestartCount"] = 2
    assert looks_done(STEP, step, 1.0) == "fetching 1.0 of 2.0 GiB, 90 MB/s, 1 of 60 s"
    with pytest.raises(RuntimeError, match=r"90 MB/s after 60 s, all it has \(restart.timeout_start\)"):
        looks_done(STEP, step, 61.0)
