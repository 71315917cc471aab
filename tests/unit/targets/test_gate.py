"""What the gate does with a step that has ended. What it waits for is proved on real containers: tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from infra.targets.docker.gate import start_again


class Step:
    """A container that counts its starts."""

    def __init__(self, **state: Any) -> None:
        self.attrs = {"State": {"Running": False, "Restarting": False, "ExitCode": 0, **state}}
        self.starts = 0

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
