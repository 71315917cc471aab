"""Several stacks, stacks that are wrong, and stacks for machines that aren't here."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import orphans
from tests.integration.stacks import ROOT, TestStack, ask, docker, unwatched
from tests.integration.test_1_chat import chat
from tests.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]


def small_values() -> dict[str, Any]:
    """One engine, the gateway and the front door."""
    (front,) = free_ports(1)
    return {
        "extends": "local",
        "models": {"tiny-chat": None, "minilm": None},
        "ui": {"enabled": False, "default_model": None, "embedding_model": None},
        "edge": {"expose": front},
        "monitoring": unwatched(),
    }


@pytest.fixture
def small_stack(tmp_path: Path) -> Iterator[TestStack]:
    stack = TestStack.make(tmp_path, small_values())
    try:
        yield stack
    finally:
        stack.remove()


def test_a_killed_up_is_finished_by_the_next_beside_another_stack(
    local_stack: TestStack, small_stack: TestStack
) -> None:
    others = local_stack.containers()
    run = small_stack.start("up")
    deadline = time.monotonic() + 120
    while not small_stack.containers() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run.poll() is None, run.communicate()[0]
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert small_stack.containers()

    small_stack.bootstrap("up")
    assert set(small_stack.containers()) == {"tiny-coder", "litellm", "nginx"}
    assert chat(small_stack.outputs(), "tiny-coder").status == 200
    assert small_stack.pulumi("preview", "--refresh", "--expect-no-changes").returncode == 0

    assert local_stack.containers() == others
    assert chat(local_stack.outputs(), "tiny-coder").status == 200
    small_stack.bootstrap("down")
    assert small_stack.containers() == {}
    assert local_stack.containers() == others


def test_an_engine_that_ends_stops_up_at_once_and_says_why(small_stack: TestStack) -> None:
    values = small_values()
    values["models"]["tiny-coder"] = {"args": {"chat-template": "/nowhere.jinja"}}
    small_stack.write(values)
    started = time.monotonic()
    failed = small_stack.bootstrap("up", check=False)
    text = failed.stdout + failed.stderr
    assert failed.returncode == 1
    assert "tiny-coder: the chat template /nowhere.jinja isn't in the container (bad_flag)" in text
    assert "Fix: change chat-template in hearth:models.tiny-coder.args" in text
    # Far below the ten minutes that an engine may take to start.
    assert time.monotonic() - started < 240


def test_every_mistake_is_told_at_once_and_nothing_is_created(small_stack: TestStack) -> None:
    values = small_values()
    values["models"]["tiny-coder"] = {"contxt": 5, "replicas": 0}
    values["gatewy"] = {}
    small_stack.write(values)
    for command in ("up", "preview"):
        failed = small_stack.bootstrap(command, check=False)
        text = failed.stdout + failed.stderr
        assert failed.returncode != 0
        assert "hearth:models.tiny-coder.contxt: is unknown. Did you mean context." in text
        assert "hearth:models.tiny-coder.replicas:" in text
        assert "hearth:gatewy: is unknown. Did you mean gateway." in text
        assert "Traceback" not in text
    assert small_stack.containers() == {}
    assert small_stack.named("network") == []
    assert small_stack.named("volume") == []


@pytest.mark.parametrize("key", ["", "sk-1234"])
def test_an_empty_or_default_master_key_is_refused(small_stack: TestStack, key: str) -> None:
    small_stack.bootstrap("preview")
    argv = ["pulumi", "config", "set", "--secret", "hearth:gatewayMasterKey", key, "--stack", small_stack.name]
    small_stack.run(argv, check=True)
    refused = small_stack.pulumi("preview", check=False)
    assert refused.returncode != 0
    assert "hearth:gatewayMasterKey: is" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("stack", "engines", "secret"),
    [("dev", {"llama3", "qwen3"}, "hfToken"), ("prod", {"coder", "gpt-oss", "llama"}, "engineKey")],
)
def test_other_machines_stacks_can_be_previewed_here(
    tmp_path: Path, stack: str, engines: set[str], secret: str
) -> None:
    """Neither GPU, hub nor those hosts are here, and no secret is set."""
    preview = TestStack.make(tmp_path, {"extends": stack})
    try:
        shown = preview.bootstrap("preview")
        assert all(f"Container {engine} create" in shown.stdout or engine in shown.stdout for engine in engines)
        assert f"warning: hearth:{secret}: is not set" in shown.stdout + shown.stderr
        ledger = [line for line in (shown.stdout + shown.stderr).splitlines() if "✓ fits" in line]
        assert {engine for engine in engines for line in ledger if engine in line} == engines
        assert preview.containers() == {}
    finally:
        preview.remove()


def test_an_engine_that_would_not_start_stops_the_preview_with_fixes(tmp_path: Path) -> None:
    coder = {"memory_fraction": 0.42, "context": 262144}
    preview = TestStack.make(tmp_path, {"extends": "prod", "models": {"coder": coder}})
    try:
        shown = preview.bootstrap("preview", check=False)
        text = shown.stdout + shown.stderr
        assert shown.returncode != 0
        assert "hearth:models.coder: coder doesn't start: one request of 262,144 tokens needs 24" in text
        assert "memory_fraction" in text
        assert "Traceback" not in text
        assert preview.containers() == {}
    finally:
        preview.remove()


def test_purge_asks_and_refuses_without_an_answer(small_stack: TestStack) -> None:
    refused = small_stack.bootstrap("purge", check=False)
    assert refused.returncode == 1
    assert "nothing was removed" in refused.stderr


def test_a_stack_that_is_not_there_is_named_with_those_that_are(small_stack: TestStack) -> None:
    missing = small_stack.run(["python3", "-m", "bootstrap", "preview", "--stack", "nowhere"], check=False)
    assert missing.returncode == 1
    assert "there is no Pulumi.nowhere.yaml" in missing.stderr
    assert "local" in missing.stderr


@pytest.mark.parametrize("killed", [True, False])
def test_the_next_run_removes_what_a_killed_one_left(*, killed: bool) -> None:
    """A noted stack's container, network and volume go when the run that noted it is gone, and only then."""
    name = f"test-{secrets.token_hex(3)}"
    program = f"import time; from tests.integration import orphans; orphans.note({name!r}); time.sleep(300)"
    run = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    label = ["--label", f"hearth.stack={name}"]
    image = docker("image", "ls", "-q", "hearth/base").split()[0]
    docker("network", "create", *label, name)
    docker("create", "--restart", "always", *label, "--network", name, "-v", f"{name}:/data", image, "true")
    docker("volume", "create", *label, f"{name}-2")
    try:
        while not (orphans.NOTES / f"{name}.json").exists():
            time.sleep(0.1)
        if killed:
            run.kill()
            run.wait()
        assert (name in orphans.remove()) is killed
        kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
        left = [docker(*listing, "--filter", f"label=hearth.stack={name}") for listing in kinds]
        assert [bool(ids) for ids in left] == [not killed] * 3
    finally:
        run.kill()
        run.wait()
        orphans.remove()
        docker("volume", "rm", name, check=False)


def test_a_pid_that_is_another_programs_by_now_owns_nothing() -> None:
    name = f"test-{secrets.token_hex(3)}"
    orphans.note(name)
    note = orphans.NOTES / f"{name}.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"began": 1}))
    assert name in orphans.remove()
    assert not note.exists()


def test_nothing_of_earlier_tests_is_left(local_stack: TestStack) -> None:
    """Tests clean up by what they made: besides the running local stack no test container is on the daemon."""
    names = docker(
        "ps", "-a", "--filter", "label=hearth.project=hearth", "--format", '{{.Label "hearth.stack"}}'
    ).split()
    assert {name for name in names if name.startswith("test-")} == {local_stack.name}
    assert ask(local_stack.outputs()["frontDoorUrl"] + "/healthz").status == 200
