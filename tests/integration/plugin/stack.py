"""A Pulumi stack of the suite's own: resources in, exit codes, planned operations and what Docker says out."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bootstrap.plugins.docker import install

PROGRAM: Final = Path(__file__).parent / "program"
IMAGE: Final = "hearth-test/busybox:plugin"
CHANGES_FOUND: Final = 7  # the CLI's exit code for --expect-no-changes
COMMAND_S: Final = 300

Resource = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass
class Planned:
    """What a preview would do: operation and changed properties per resource."""

    code: int
    operations: dict[str, str]
    changed: dict[str, set[str]]
    text: str


def docker(*arguments: str, check: bool = True) -> str:
    """Run the docker client and return what it printed."""
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert not check or ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def inspect(name: str) -> dict[str, Any]:
    """What Docker knows of a container."""
    found: list[dict[str, Any]] = json.loads(docker("container", "inspect", name))
    return found[0]


def network(ident: str, name: str, **inputs: Any) -> Resource:
    return {"id": ident, "kind": "network", "inputs": {"name": name, "driver": "bridge", **inputs}}


def volume(ident: str, name: str, **inputs: Any) -> Resource:
    return {"id": ident, "kind": "volume", "inputs": {"name": name, "driver": "local", **inputs}}


def image(ident: str, name: str, **inputs: Any) -> Resource:
    return {"id": ident, "kind": "image", "inputs": {"name": name, "keep_locally": True, **inputs}}


def container(ident: str, name: str, **inputs: Any) -> Resource:
    """A container that sleeps, stops at once, and is as explicit as Hearth's are."""
    steady = {
        "name": name,
        "image": IMAGE,
        "command": ["sleep", "3600"],
        "network_mode": "bridge",
        "destroy_grace_seconds": 0,
        "must_run": True,
    }
    return {"id": ident, "kind": "container", "inputs": steady | inputs}


@dataclass
class Stack:
    """One stack with state, passphrase and resource names of its own; `remove` cleans up what it made."""

    folder: Path
    tag: str = field(default_factory=lambda: "ht-" + secrets.token_hex(3))
    provider: dict[str, Any] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    made: bool = False

    def __post_init__(self) -> None:
        shutil.copytree(PROGRAM, self.folder / "program")
        (self.folder / "state").mkdir()
        self.run("stack", "init", "t").check()

    def name(self, short: str) -> str:
        """A name that nothing else on this machine has."""
        return f"{self.tag}-{short}"

    def declare(self, *resources: Resource, **outputs: Any) -> None:
        """Set what the next command wants."""
        self.seen |= {str(resource["inputs"]["name"]) for resource in resources if resource["kind"] != "image"}
        wanted = {"provider": self.provider, "resources": resources, "outputs": outputs}
        (self.folder / "resources.json").write_text(json.dumps(wanted))

    def run(self, *arguments: str) -> Finished:
        """Run one pulumi command of this stack."""
        here = Path(sys.executable).parent
        own = {
            "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of the test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PLUGIN_RESOURCES": str(self.folder / "resources.json"),
        }
        command = ["pulumi", *arguments, "--non-interactive", "--cwd", str(self.folder / "program")]
        environment = {key: value for key, value in os.environ.items() if key != "PULUMI_CONFIG_PASSPHRASE_FILE"} | own
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_S, env=environment)
        return Finished(ran.returncode, ran.stdout, ran.stderr)

    def up(self, *flags: str) -> Finished:
        """Bring the stack to what is declared."""
        self.made = True
        return self.run("up", "--yes", "--skip-preview", "--stack", "t", *flags)

    def preview(self, *flags: str) -> Planned:
        """What `up` would do, with --expect-no-changes."""
        ran = self.run("preview", "--json", "--expect-no-changes", "--stack", "t", *flags)
        return planned(ran)

    def drift(self) -> Planned:
        """What changed by hand."""
        return self.preview("--refresh")

    def state(self) -> str:
        """The state file as it lies on disk."""
        return "".join(path.read_text() for path in (self.folder / "state").rglob("*.json"))

    def exported(self) -> dict[str, dict[str, Any]]:
        """The state's resources by name, secrets as ciphertext."""
        deployment = json.loads(self.run("stack", "export", "--stack", "t").check().out)["deployment"]
        return {resource["urn"].rpartition("::")[2]: resource for resource in deployment.get("resources", [])}

    def remove(self) -> None:
        """Destroy the stack; what a failed test left behind goes by its own name."""
        if self.made:
            self.run("destroy", "--yes", "--skip-preview", "--stack", "t")
        if self.seen:
            docker("rm", "-f", "-v", *self.seen, check=False)
            docker("network", "rm", *self.seen, check=False)
            docker("volume", "rm", "-f", *self.seen, check=False)


class Finished(Ran):
    """A finished command that can be required to have worked."""

    def check(self) -> Finished:
        assert self.code == 0, self.said
        return self


def planned(ran: Ran) -> Planned:
    """Read a preview's JSON; several documents are printed when it fails."""
    start = ran.out.find("{")
    document = json.JSONDecoder().raw_decode(ran.out[start:])[0] if start >= 0 else {}
    operations: dict[str, str] = {}
    changed: dict[str, set[str]] = {}
    for step in document.get("steps", []):
        name = step["urn"].rpartition("::")[2]
        operations[name] = strongest(operations.get(name, "same"), step["op"])
        changed.setdefault(name, set()).update(step.get("diffReasons") or [])
        changed[name].update(key.split(".")[0].split("[")[0] for key in step.get("detailedDiff") or {})
    return Planned(ran.code, operations, changed, ran.said)


def strongest(one: str, other: str) -> str:
    """The step that says most: a replacement consists of several, and a refresh comes before its update."""
    rank = ["same", "refresh", "read", "delete", "update", "create", "create-replacement", "delete-replaced", "replace"]
    return max(one, other, key=lambda step: rank.index(step) if step in rank else 0)


def plugin_folder() -> Path:
    """Where the engine finds the plugin."""
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    return home / install.FOLDER


def is_stand_in() -> bool:
    return install.is_stand_in(plugin_folder())


def tiny_image() -> bytes:
    """A root file system of one static busybox, as a tar archive."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(os.path.realpath(busybox), "bin/busybox")
        for applet in (
            "sh",
            "sleep",
            "cat",
            "id",
            "ls",
            "stat",
            "true",
            "false",
            "httpd",
            "hostname",
            "vi",
            "echo",
            "test",
            "touch",
        ):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for name, text in (
            ("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
            ("etc/group", "root:x:0:\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
