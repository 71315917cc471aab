"""State in a bucket: two stacks, locks, secrets, and the way there from a folder. By the real CLI, over real HTTP."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.integration.s3_server import S3Server, s3_server
from tests.tools import require

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PASSWORD = "a-password-that-must-not-be-read"
# It has no resource, so it needs no plugin; it stays in the middle of its update until a file is there.
PROGRAM = """
import time
from pathlib import Path
import pulumi
config = pulumi.Config()
gate = config.get("gate")
if gate and not pulumi.runtime.is_dry_run():
    Path(gate + ".reached").touch()
    while not Path(gate).exists():
        time.sleep(0.1)
pulumi.export("word", config.require("word"))
pulumi.export("password", config.require_secret("password"))
"""


@dataclass(frozen=True)
class Backend:
    """A small project, and where its state is."""

    folder: Path
    url: str
    passphrase: str
    more: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PULUMI_CONFIG_PASSPHRASE_FILE"}
        return {
            **kept,
            **self.more,
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": self.url,
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
        }

    def argv(self, stack: str, *arguments: str) -> list[str]:
        return ["pulumi", *arguments, "--stack", stack, "--non-interactive"]

    def ask(self, stack: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(stack, *arguments),
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run(self, stack: str, *arguments: str, given: str | None = None) -> str:
        ran = self.ask(stack, *arguments, given=given)
        assert ran.returncode == 0, f"{arguments} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def make(self, stack: str) -> None:
        self.run(stack, "stack", "init")
        self.run(stack, "config", "set", "word", stack)
        self.run(stack, "config", "set", "--secret", "password", given=PASSWORD)

    def update(self, stack: str) -> str:
        return self.run(stack, "up", "--yes", "--skip-preview")

    def outputs(self, stack: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.run(stack, "stack", "output", "--json", "--show-secrets"))
        return found

    def start_and_hold(self, stack: str, gate: Path) -> subprocess.Popen[bytes]:
        """Start an update, and return when it is in its middle."""
        self.run(stack, "config", "set", "gate", str(gate))
        running = subprocess.Popen(
            self.argv(stack, "up", "--yes", "--skip-preview"),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not Path(f"{gate}.reached").exists():
            assert running.poll() is None, "the update ended before its program ran"
            assert time.monotonic() < deadline, "the update's program never ran"
            time.sleep(0.1)
        return running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    require(shutil.which("pulumi") is not None, "the pulumi CLI is not on PATH: run `make test`")
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def bucket(server: S3Server, tmp_path: Path) -> Backend:
    """A project of its own whose state is in the bucket."""
    (tmp_path / "Pulumi.yaml").write_text(f"name: p{secrets.token_hex(3)}\nruntime: {{name: python}}\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return Backend(tmp_path, server.backend, "correct", server.environment)


def test_two_stacks_live_in_one_bucket_and_no_secret_is_readable_there(bucket: Backend, server: S3Server) -> None:
    for stack in ("one", "two"):
        bucket.make(stack)
        bucket.update(stack)
        assert bucket.outputs(stack) == {"word": stack, "password": PASSWORD}
    stored = server.objects()
    project = yaml.safe_load((bucket.folder / "Pulumi.yaml").read_text())["name"]
    assert {f".pulumi/stacks/{project}/one.json", f".pulumi/stacks/{project}/two.json"} <= set(stored)
    assert not [key for key, content in stored.items() if PASSWORD.encode() in content]
    bucket.run("one", "preview", "--expect-no-changes")


def test_another_passphrase_opens_nothing(bucket: Backend) -> None:
    bucket.make("one")
    bucket.update("one")
    other = replace(bucket, passphrase="wrong")
    refused = other.ask("one", "stack", "output", "--json", "--show-secrets")
    assert refused.returncode
    assert PASSWORD not in refused.stdout + refused.stderr


def test_a_second_update_is_refused_and_a_killed_ones_lock_is_cancelled(bucket: Backend) -> None:
    bucket.make("one")
    gate = bucket.folder / "gate"
    running = bucket.start_and_hold("one", gate)
    try:
        second = bucket.ask("one", "up", "--yes", "--skip-preview")
        assert second.returncode
        assert "currently locked by 1 lock(s)" in second.stderr + second.stdout
    finally:
        # As a power cut ends it: nobody takes the lock away.
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(timeout=20)
        gate.touch()
    still = bucket.ask("one", "up", "--yes", "--skip-preview")
    assert "currently locked" in still.stderr + still.stdout
    bucket.run("one", "cancel", "--yes")
    bucket.update("one")
    assert bucket.outputs("one")["word"] == "one"


def test_state_moves_from_a_folder_into_the_bucket(bucket: Backend) -> None:
    (bucket.folder / "state").mkdir()
    before = replace(bucket, url=f"file://{bucket.folder / 'state'}", more={})
    before.make("one")
    before.update("one")
    exported = before.run("one", "stack", "export")
    assert PASSWORD not in exported
    bucket.run("one", "stack", "init")
    bucket.run("one", "stack", "import", given=exported)
    assert bucket.outputs("one") == before.outputs("one")
    bucket.run("one", "preview", "--expect-no-changes")


def test_make_uses_the_backend_that_the_environment_names(bucket: Backend, server: S3Server) -> None:
    name = f"test-{secrets.token_hex(3)}"
    file = ROOT / f"Pulumi.{name}.yaml"
    file.write_text("config: {}\n")
    make = f"from bootstrap import stack; stack.ensure({name!r})"
    try:
        subprocess.run([sys.executable, "-c", make], cwd=ROOT, env=bucket.environment, check=True, timeout=120)
        assert f".pulumi/stacks/hearth/{name}.json" in server.objects()
    finally:
        file.unlink()
