"""What a status file means for a deployment. Real containers and real status files: tests/integration/test_6_engines.py."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.config.restart import Restart
from infra.services.base import Workload
from infra.targets.docker.supervision import Look, read_status

WORKLOAD = Workload("coder", "vllm", "local", "image", ("x",), Restart(), supervised=True, start_timeout_s=600.0)
END = {
    "at": time.time() + 1000,
    "code": 1,
    "signal": None,
    "cause": "kv_too_small",
    "says": "6.00 GiB of KV cache are needed, 2.73 are left",
    "fix": "set hearth:models.coder.context: 29760",
    "lines": ["ValueError: To serve at least one request"],
}


@dataclass
class Told:
    """A container with a status file."""

    status: dict[str, Any] | str | None
    is_running: bool = True
    code: int = 0
    attrs: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.attrs = {"State": {"Running": self.is_running, "Restarting": False, "ExitCode": self.code}}

    def exec_run(self, argv: list[str], *, stderr: bool) -> tuple[int, bytes]:
        assert (argv, stderr) == (["cat", "/run/hearth/status.json"], False)
        if self.status is None:
            return 1, b""
        return 0, (self.status if isinstance(self.status, str) else json.dumps(self.status)).encode()


def status(state: str, **more: Any) -> dict[str, Any]:
    fields = {"phase": "loading", "detail": "", "last_end": None, "lock_holder": None, "starts": 1}
    return {"state": state, **fields, "starts_in_interval": 5, "start_limit_burst": 5, **more}


def look(told: Told, waited_s: float = 1.0, at: Look | None = None) -> str | None:
    return (at or Look(WORKLOAD))(WORKLOAD, told, waited_s)


def test_an_engine_that_answers_is_up() -> None:
    assert look(Told(status("running"))) is None


def test_an_old_end_does_not_count_while_it_runs_again() -> None:
    assert look(Told(status("running", last_end=END))) is None
    assert look(Told(status("starting", last_end={**END, "at": 1.0}))) == "loading, 0 of 600 s"


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (status("starting", detail="shards 3 of 8"), "loading (shards 3 of 8), 0 of 600 s"),
        (status("queued", lock_holder="gpt-oss"), "waits until gpt-oss has started on the same device"),
        (status("queued"), "waits until a neighbour has started on the same device"),
        ("{", "its container starts"),
        (None, "its container starts"),
    ],
)
def test_what_it_is_busy_with_is_told(told: Any, text: str) -> None:
    assert look(Told(told)) == text


def test_the_wait_for_a_neighbour_is_not_counted() -> None:
    at = Look(WORKLOAD)
    assert look(Told(status("queued")), 5000.0, at) == "waits until a neighbour has started on the same device"
    assert look(Told(status("starting")), 5010.0, at) == "loading, 0 of 600 s"
    assert look(Told(status("starting")), 5070.0, at) == "loading, 60 of 600 s"
    with pytest.raises(RuntimeError, match="coder: still starting after 790 s of 600"):
        look(Told(status("starting")), 5800.0, at)


@pytest.mark.parametrize(
    ("state", "again"),
    [
        ("waiting", "It will be started again"),
        ("failed", "It stays failed after 5 of 5 starts"),
        ("starting", "It is started again"),
    ],
)
def test_an_end_stops_the_wait_with_cause_edit_and_lines(state: str, again: str) -> None:
    with pytest.raises(RuntimeError) as raised:
        look(Told(status(state, last_end=END)))
    assert str(raised.value) == (
        "coder: 6.00 GiB of KV cache are needed, 2.73 are left (kv_too_small).\n"
        "Fix: set hearth:models.coder.context: 29760.\n"
        f"{again}. Its last lines:\n"
        "  ValueError: To serve at least one request"
    )


def test_one_that_is_out_of_starts_stops_the_wait_even_without_a_recorded_end() -> None:
    with pytest.raises(RuntimeError, match="coder: failed, 5 starts within the limit's interval"):
        look(Told(status("failed", detail="5 starts within the limit's interval")))


def test_a_container_that_has_ended_stops_the_wait() -> None:
    with pytest.raises(RuntimeError, match="coder: its container has ended with code 137"):
        look(Told(None, is_running=False, code=137))


def test_an_entry_point_that_tells_nothing_stops_the_wait() -> None:
    with pytest.raises(RuntimeError, match="has told nothing for 121 s"):
        look(Told(None), 121.0)


def test_one_look_that_fails_is_no_silence() -> None:
    at = Look(WORKLOAD)
    look(Told(status("queued")), 5000.0, at)
    assert look(Told(None), 5002.0, at) == "its container starts"
    with pytest.raises(RuntimeError, match="has told nothing for 121 s"):
        look(Told(None), 5121.0, at)


def test_half_a_file_is_no_status() -> None:
    assert read_status(Told('{"state": "run')) is None
