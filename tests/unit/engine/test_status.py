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


def test_the_page_tells_state_settings_and_what_the_container_uses(tmp_path: Path) -> None:
    status = Status(tmp_path / "status.json", {"instance": "coder"}, "0123456789ab")
    status.ended({**END, "cause": 'a "strange"\\cause'})
    status.set(state="running", reported={"kv_cache_tokens": 131072})
    page = status.metrics().splitlines()
    assert 'hearth_engine_state{state="running"} 1' in page
    assert 'hearth_engine_settings_info{digest="0123456789ab"} 1' in page
    assert r'hearth_engine_last_end_info{cause="a \"strange\"\\cause"} 1' in page
    assert "hearth_engine_kv_cache_tokens 131072" in page
    since = next(float(line.split()[1]) for line in page if line.startswith("hearth_engine_state_since_seconds "))
    assert since == pytest.approx(status["since"], abs=0.001)
    cores = next(float(line.split()[1]) for line in page if line.startswith("hearth_engine_cores "))
    assert cores > 0
