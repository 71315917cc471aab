"""The status file, as those who read it at a bad moment find it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.services.assets.engine.status import Status

END: dict[str, Any] = {"at": 1.0, "code": 1, "signal": None, "cause": "bad_flag", "says": "x", "fix": "y", "lines": []}


def test_what_was_true_before_a_restart_is_replaced_at_once_but_for_the_last_end(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps({"state": "running", "starts": 7, "last_end": END}))
    Status(file, {"instance": "coder"})
    now = json.loads(file.read_text())
    assert (now["state"], now["starts"], now["last_end"]) == ("queued", 0, END)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"last_end": 5}', '{"last_end": {}}'])
def test_a_file_that_tells_no_end_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "status.json"
    file.write_text(text)
    assert Status(file, {})["last_end"] is None
