from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from images import recipes

DOCKER = """#!/bin/sh
# A Docker client that knows only which images exist: one line of {state} for each.
case "$1 $2" in
    "image inspect") grep -qxF "$5" {state} || exit 1; echo 1000000 ;;
    "image ls") grep "^$5:" {state} || true ;;
    "image rm") if grep -qxF "$3" {used}; then exit 1; fi; grep -vxF "$3" {state} > {state}.new; mv {state}.new {state} ;;
    "import "*) for last; do :; done; echo "$@" >> {calls}; echo "$last" >> {state} ;;
    "build "*)
        echo "BUILDKIT=$DOCKER_BUILDKIT $*" >> {calls}
        while [ "$1" != --tag ]; do shift; done
        if [ -e {broken} ]; then echo first line; cat {broken}; exit 7; fi
        ls "$3" >> {calls}
        echo "$2" >> {state} ;;
esac
"""
MMDEBSTRAP = """#!/bin/sh
echo "mmdebstrap $*" >> {calls}
for last; do :; done
touch "$last"
"""


class FakeTools:
    """A folder of programs for PATH, and what was asked of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.state, self.used, self.calls, self.broken = (
            folder / name for name in ("state", "used", "calls", "broken")
        )
        for path in (self.state, self.used, self.calls):
            path.touch()

    def add(self, name: str, text: str) -> Path:
        program = self.folder / name
        places = {"state": self.state, "used": self.used, "calls": self.calls, "broken": self.broken}
        for key, path in places.items():
            text = text.replace(f"{{{key}}}", str(path))
        program.write_text(text)
        program.chmod(0o755)
        return program


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    fake = FakeTools(tmp_path)
    monkeypatch.setenv("PATH", str(fake.folder), prepend=":")
    fake.add("docker", DOCKER)
    fake.add("mmdebstrap", MMDEBSTRAP)
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the recipes' folder, to change."""
    return Path(shutil.copytree(recipes.FOLDER, tmp_path / "images", ignore=shutil.ignore_patterns("__pycache__")))
