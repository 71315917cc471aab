"""A stack of the tests' own: brought up, changed and removed by the same commands that people use."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from infra.services import registry
from tests.integration import orphans

ROOT: Final = Path(__file__).parents[2]
UP_TIMEOUT_S: Final = 900


def unwatched() -> dict[str, Any]:
    """The section hearth:monitoring of a stack that nobody watches, whichever services are in it."""
    names = (service.section.partition(".")[2] for service in registry().values())
    return {name: {"enabled": False, "expose": None} for name in names if name}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status and body."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str, *, key: str | None = None, body: Any = None, method: str | None = None, timeout_s: float = 180
) -> Answer:
    """Send one request; an error status is an answer too."""
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310 - loopback
            return Answer(reply.status, reply.read().decode(), dict(reply.headers))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(errors="replace"), dict(error.headers))


def docker(*arguments: str, check: bool = True) -> str:
    """Run the docker client and return what it printed."""
    ran = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120
    )
    assert not check or ran.returncode == 0, ran.stdout
    return ran.stdout.strip()


@dataclass
class TestStack:
    """One stack with a state, passphrase and stack file of its own; `docker_host` is a daemon that isn't the machine's."""

    __test__ = False

    name: str
    folder: Path
    docker_host: str = ""

    @classmethod
    def make(cls, folder: Path, values: dict[str, Any], docker_host: str = "") -> TestStack:
        stack = cls(f"test-{secrets.token_hex(3)}", folder, docker_host)
        if not docker_host:
            orphans.note(stack.name)
        (folder / "state").mkdir()
        (folder / "passphrase").write_text(secrets.token_urlsafe(16))
        stack.write(values)
        return stack

    @property
    def file(self) -> Path:
        return ROOT / f"Pulumi.{self.name}.yaml"

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key != "PULUMI_CONFIG_PASSPHRASE"}
        kept |= {"DOCKER_HOST": self.docker_host} if self.docker_host else {}
        return kept | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
        }

    def write(self, values: dict[str, Any]) -> None:
        """Write the stack file; what the engine has added (salt, secrets) stays."""
        document = yaml.safe_load(self.file.read_text()) if self.file.exists() else {"config": {}}
        own = {key: value for key, value in document["config"].items() if isinstance(value, dict) and "secure" in value}
        given = {f"hearth:{key}": value for key, value in values.items()}
        kept = {key: document["config"][key] for key in ("hearth:imageSource",) if key in document["config"]}
        document["config"] = {"pulumi:disable-default-providers": ["*"], **kept, **given, **own}
        self.file.write_text(yaml.safe_dump(document))

    def bootstrap(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "bootstrap", command, "--stack", self.name, *arguments]
        return self.run(argv, check=check)

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(["pulumi", *arguments, "--stack", self.name, "--non-interactive"], check=check)

    def run(self, argv: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=UP_TIMEOUT_S, check=False
        )
        assert not check or ran.returncode == 0, (
            f"{' '.join(argv)} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        )
        return ran

    def start(self, command: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "bootstrap", command, "--stack", self.name]
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "--show-secrets").stdout)
        return found

    def state(self) -> str:
        return self.pulumi("stack", "export").stdout

    def docker(self, *arguments: str, check: bool = True) -> str:
        return docker(*(("-H", self.docker_host) if self.docker_host else ()), *arguments, check=check)

    def containers(self) -> dict[str, str]:
        """Return the ids of the stack's containers, running or not, by instance."""
        template = '{{.Label "hearth.instance"}} {{.ID}}'
        lines = self.docker(
            "ps", "-a", "--no-trunc", "--filter", f"label=hearth.stack={self.name}", "--format", template
        )
        return dict(line.split() for line in lines.splitlines())

    def named(self, kind: str) -> list[str]:
        """Return the names of the stack's networks or volumes."""
        listed = self.docker(kind, "ls", "--filter", f"label=hearth.stack={self.name}", "--format", "{{.Name}}")
        return sorted(listed.splitlines())

    def remove(self) -> None:
        """Remove everything this stack made, by its own label, whatever state it is in."""
        self.bootstrap("purge", "--yes", check=False)
        orphans.remove_labelled(self.name, self.docker_host)
        orphans.forget(self.name)
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
