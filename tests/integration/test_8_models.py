"""Weights from a hub, through the real engine of `pulumi up`: fetched first, resumed, offline afterwards, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from images import recipes
from infra.services.assets import synthetic_model
from tests.integration.engines import Engines, engine, engines_only
from tests.integration.stacks import ROOT, TestStack, docker
from tests.integration.test_1_chat import chat

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]

# In a container on the stack's network: two names, because the real hub sends large files from another host.
SERVE = """
import sys, time
from pathlib import Path
sys.path.insert(0, "/hub")
import small_hub
small = {file.name: file.read_bytes() for file in Path("/hub/model").iterdir()}
large = {**small, "model.safetensors": bytes(64 * 2**20)}
hub = small_hub.SmallHub(large_host="hub-files", cut_after_bytes={"model.safetensors": 50_000})
hub.hold("org/small", small)
hub.hold("org/large", large)
hub.hold("org/closed", small, token="hf_not_known_to_anybody_here")
small_hub.started(hub, ("", 8080))
print("serves", flush=True)
while True:
    time.sleep(3600)
"""
CACHE_BYTES = 32 * 2**20


def up(stack: TestStack, **models: Any) -> str:
    """Deploy these models beside the first one; return what was said, after the exit code."""
    front = int(stack.outputs()["frontDoorUrl"].rpartition(":")[2])
    values = engines_only(first=engine(), **models)
    stack.write({**values, "edge": {"expose": front}, "prefetch": {"endpoint": "http://hub:8080", "spare": "1MiB"}})
    ran = stack.pulumi("up", "--yes", "--skip-preview", check=False)
    return f"exit {ran.returncode}\n{ran.stdout}{ran.stderr}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    """One engine that needs no hub; its hub cache is a small disk of its own, and the hub is on its network."""
    folder = tmp_path_factory.mktemp("hub")
    made = TestStack.make(tmp_path_factory.mktemp("models"), engines_only(first=engine()))
    synthetic_model.write(folder / "model", "small", 1024)
    shutil.copy(ROOT / "tests" / "unit" / "services" / "small_hub.py", folder)
    (folder / "serve.py").write_text(SERVE)
    disk = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={CACHE_BYTES}")
    label = ("--label", f"hearth.stack={made.name}", "--label", "hearth.project=hearth")
    try:
        docker("volume", "create", *label, *disk, f"hearth-{made.name}-hub-cache")
        made.bootstrap("up")
        # A disk in memory is gone with the last container that has it.
        docker(
            "run", "-d", *label, "--label", "hearth.instance=keeper", "--network", "none", "-v", f"hearth-{made.name}-hub-cache:/cache",
            "--entrypoint", "sleep", recipes.reference("base"), "86400",
        )  # fmt: skip
        names = ("--network", f"hearth-{made.name}", "--network-alias", "hub", "--network-alias", "hub-files")
        docker(
            "run", "-d", *label, "--label", "hearth.instance=hub", *names, "-v", f"{folder}:/hub:ro",
            "--entrypoint", "python3", recipes.reference("base"), "/hub/serve.py",
        )  # fmt: skip
        yield made
    finally:
        for container in [value for key, value in made.containers().items() if key in {"hub", "keeper"}]:
            docker("rm", "-f", container)
        made.remove()


@pytest.mark.parametrize(
    ("source", "cause", "words"),
    [
        ("org/large", "disk", ["GiB have to come", "GiB on local"]),
        ("org/closed", "gated", ["gated: true", "hearth:hfToken"]),
        ("org/absent", "not_found", ["the hub has no org/absent", "Correct hearth:models.doomed"]),
    ],
)
def test_what_cannot_be_fetched_ends_up_before_any_engine_is_touched(
    stack: TestStack, source: str, cause: str, words: list[str]
) -> None:
    before = stack.containers()["first"]
    # The gateway is replaced for the new name: what waits for that is cut off when the step fails, and can be told instead.
    for _ in range(2):
        up(stack, doomed=engine(source=source))
    # Nothing has changed since, and it is tried again, not taken for done.
    told = up(stack, doomed=engine(source=source))
    assert not told.startswith("exit 0"), told
    for word in (f"fetch failed ({cause})", *words):
        assert word in told, told
    assert "Traceback" not in told, told
    assert "doomed" not in stack.containers()
    assert stack.containers()["first"] == before


def test_weights_are_resumed_and_the_engine_starts_without_the_hub(stack: TestStack) -> None:
    told = up(stack, fetched=engine(source="org/small"))
    assert told.startswith("exit 0"), told
    containers = stack.containers()
    printed = docker("logs", containers["prefetch-fetched"])
    # The hub cut the connection once, and what had come was kept.
    assert "; try 2 of " in printed
    assert chat(stack.outputs(), "fetched").status == 200
    assert stack.pulumi("preview", "--refresh", "--expect-no-changes", check=False).returncode == 0

    docker("rm", "-f", containers["hub"])
    docker("restart", containers["fetched"])
    Engines(stack).until_running("fetched")
    assert chat(stack.outputs(), "fetched").status == 200
