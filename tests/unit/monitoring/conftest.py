from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import monitoring
from images import recipes
from tests.tools import has_image, in_image, require

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
    """A stack with two chat engines, one for embeddings, and everything else once."""

    def job(name: str, path: str, **addresses: str) -> monitoring.Job:
        return monitoring.Job(
            name, path, tuple(monitoring.Target(key.replace("_", "-"), at, {}) for key, at in addresses.items())
        )

    return monitoring.Subjects(
        stack="test",
        jobs=(
            job("alertmanager", "/metrics", alertmanager="alertmanager:9093"),
            job("litellm", "/metrics/", litellm="litellm:4000"),
            job("node_exporter", "/metrics", node_exporter="10.0.0.7:9100"),
            job("prometheus", "/metrics", prometheus="prometheus:9090"),
            job("supervision", "/metrics", embed="embed:8001", chat_0="chat-0:8001", chat_1="10.0.0.8:18002"),
            job("vllm", "/metrics", embed="embed:8000", chat_0="chat-0:8000", chat_1="10.0.0.8:18001"),
        ),
        chat_models=("chat",),
        embedding_models=("embed",),
        runbook_url="docs/runbooks",
    )
