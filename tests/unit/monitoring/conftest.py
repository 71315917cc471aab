from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import monitoring
from images import recipes
from tests.tools import has_image, in_image, require
from tests.unit.monitoring import watched

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tool() -> Tool:
    """promtool and amtool, run over the files of a folder: from PATH, else from the image that Hearth builds."""
    image = recipes.reference("monitoring")
    on_path = shutil.which("promtool") is not None and shutil.which("amtool") is not None

    def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
        if on_path:
            return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        return in_image(image, {folder: "/w"}, "sh", "-c", 'cd /w && exec "$@"', *argv[:1], *argv)

    require(on_path or has_image(image), f"neither promtool on PATH nor the image {image} is there: run `make images`")
    return run


@pytest.fixture(scope="session")
def subjects() -> monitoring.Subjects:
    """A stack in which every kind of program runs."""
    return watched.everything()
