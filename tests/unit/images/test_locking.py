from __future__ import annotations

from pathlib import Path

import pytest

from images import locking, recipes
from images.output import BuildError
from tests.unit.images.conftest import FakeTools

UV = """#!/bin/sh
echo "$@" >> {calls}
while [ "$1" != --output-file ]; do shift; done
echo "pinned==1.0" > "$2"
"""


def test_a_lock_is_resolved_for_the_base_image(tools: FakeTools, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "FOLDER", folder)
    written = locking.lock("open-webui", tools.add("uv", UV), upgrade=["certifi"])
    assert written.read_text() == "pinned==1.0\n"
    asked = tools.calls.read_text()
    assert "--python-version 3.11 --python-platform x86_64-manylinux_2_36" in asked
    assert f"--override {folder}/open-webui/overrides.txt" in asked
    assert "--upgrade-package certifi" in asked


def test_an_image_without_overrides_asks_for_none(
    tools: FakeTools, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "FOLDER", folder)
    locking.lock("litellm", tools.add("uv", UV))
    assert "--override" not in tools.calls.read_text()


def test_a_conflict_is_told_in_the_words_of_the_resolver(
    tools: FakeTools, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "FOLDER", folder)
    uv = tools.add("uv", "#!/bin/sh\necho 'a needs b<1 and c needs b>2' >&2\nexit 1\n")
    with pytest.raises(BuildError, match=r"litellm: its packages can't be resolved\.\na needs b<1"):
        locking.lock("litellm", uv)


def test_an_image_of_debian_packages_has_nothing_to_lock(tools: FakeTools) -> None:
    with pytest.raises(BuildError, match="nginx: installs no Python packages"):
        locking.lock("nginx", tools.folder / "uv")
