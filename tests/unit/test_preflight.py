from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from infra import preflight
from infra.config.load import Written
from infra.errors import Severity
from infra.pipeline import Built, build


def built(port: int, source: str = "synthetic", connection: str = "local", **more: Any) -> Built:
    values = {
        "imageSource": "built",
        "inventory": {"hosts": {"box": {"connection": connection}}},
        "models": {"a": {"source": source, "device": "cpu", **more}},
        "edge": {"expose": port},
    }
    made, _ = build(Written(values, {}), "mine", [])
    assert made is not None
    return made


@pytest.fixture
def listener() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_a_taken_port_is_an_error_with_its_number(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_is_ours", lambda *_: False)
    port = listener.getsockname()[1]
    (finding,) = preflight.local_findings(built(port), "mine", Path("/"), Severity.ERROR)
    assert f"port {port} of 127.0.0.1 is taken" in str(finding)
    listener.close()


def test_a_port_that_this_stack_has_itself_is_not_taken(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_is_ours", lambda *_: True)
    assert preflight.local_findings(built(listener.getsockname()[1]), "mine", Path("/"), Severity.ERROR) == []
    listener.close()


def test_a_remote_hosts_ports_are_not_looked_at(listener: socket.socket) -> None:
    made = built(listener.getsockname()[1], connection="ssh://somebody@example.com")
    assert preflight.local_findings(made, "mine", Path("/"), Severity.ERROR) == []
    listener.close()


def test_a_model_directory_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_is_taken", lambda *_: False)
    made = built(8080, source="./models/x")
    (finding,) = preflight.local_findings(made, "mine", tmp_path, Severity.ERROR)
    assert finding.path == "hearth:models.a.source"
    (tmp_path / "models" / "x").mkdir(parents=True)
    assert preflight.local_findings(made, "mine", tmp_path, Severity.ERROR) == []


def test_an_adapters_directory_is_looked_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_is_taken", lambda *_: False)
    made = built(8080, adapters={"sql": "./adapters/sql"}, replicas=2)
    findings = preflight.local_findings(made, "mine", tmp_path, Severity.ERROR)
    assert {finding.path for finding in findings} == {"hearth:models.a.adapters.sql"}
