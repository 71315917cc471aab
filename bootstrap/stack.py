"""One stack: its place in the backend, its secrets, what an interrupted run left behind, and the Pulumi commands."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bootstrap import console, paths, plugin, probe

NAME: Final = "stack"
PROJECT: Final = "hearth"
DRIFT: Final = 7
# All engines may start at the same time; Pulumi's own default is a number of cores that has nothing to do with it.
PARALLEL: Final = "32"
_SECRET_BYTES: Final = 32


def pulumi(stack: str, *arguments: str) -> list[str]:
    """Return a Pulumi command for a stack."""
    return ["pulumi", *arguments, "--stack", stack, "--non-interactive"]


def ensure(stack: str) -> None:
    """Leave with a stack in the backend that can be previewed."""
    if not (paths.ROOT / f"Pulumi.{stack}.yaml").exists():
        here = ", ".join(sorted(file.name.split(".")[1] for file in paths.ROOT.glob("Pulumi.*.yaml")))
        raise console.StepError(f"{NAME}: there is no Pulumi.{stack}.yaml. Make it, or use STACK= with one of: {here}.")
    ensure_backend()
    if not exists(stack):
        console.answer(["pulumi", "stack", "init", stack, "--non-interactive"], env=paths.environment())
        console.done(NAME, f"{stack} made in {paths.settings()['PULUMI_BACKEND_URL']}")


def exists(stack: str) -> bool:
    """Whether the backend knows a stack."""
    argv = ["pulumi", "stack", "ls", "--json", "--non-interactive"]
    return any(row["name"] == stack for row in json.loads(console.answer(argv, env=paths.environment())))


def image_source(stack: str) -> str:
    """Return where a stack's images come from: what its file says, else official where a registry answers."""
    return _written(stack, "imageSource") or ("official" if probe.reachable(probe.IMAGES) else "built")


def ensure_image_source(stack: str) -> None:
    """Write the decision where everybody sees it: into the stack file."""
    if not _written(stack, "imageSource"):
        source = image_source(stack)
        set_config(stack, "imageSource", source)
        console.done("images", f"{source}: written to Pulumi.{stack}.yaml as hearth:imageSource")


def ensure_secrets(stack: str) -> None:
    """Make the secrets that can be made up, once; say how to set those that can't."""
    rows = json.loads(console.answer(_infra("secrets", stack, "--json"), env=paths.environment()))
    missing = [row for row in rows if not row["set"]]
    for row in missing:
        if row["generate"]:
            set_config(stack, row["name"], make_secret(row["generate"]), secret=True)
        else:
            fix = f"pulumi config set --secret hearth:{row['name']} --stack {stack}"
            raise console.StepError(f"secrets: {row['name']} is not set ({row['description']}). `{fix}`.")
    made = f"{len(missing)} made" if missing else "all set"
    console.done("secrets", f"{made}, encrypted in Pulumi.{stack}.yaml")


def make_secret(kind: str) -> str:
    """Return a random secret: kind key starts with sk-, kind password doesn't."""
    return ("sk-" if kind == "key" else "") + secrets.token_urlsafe(_SECRET_BYTES)


def set_config(stack: str, key: str, value: str, *, secret: bool = False) -> None:
    """Write one key of the stack's configuration; the value goes to standard input, out of the list of processes."""
    argv = pulumi(stack, "config", "set", f"{PROJECT}:{key}", *(["--secret"] if secret else []))
    try:
        console.answer(argv, env=paths.environment(), given=value)
    except console.StepError as error:
        if "incorrect passphrase" not in str(error):
            raise
        text = f"secrets: Pulumi.{stack}.yaml was encrypted with another passphrase than {paths.passphrase_file()}"
        fix = "Set PULUMI_CONFIG_PASSPHRASE, or remove encryptionsalt and the secure: lines from that file"
        raise console.StepError(f"{text}. {fix}.") from None


def check(stack: str) -> None:
    """Check the declaration and this machine before anything is created."""
    if console.run_shown(_infra("check", stack), env=paths.environment()):
        raise console.StepError(f"{NAME}: nothing was created. Mend what is said above.")


def clear_leftovers(stack: str) -> None:
    """Remove what a killed run left: its lock, and containers and networks that the state doesn't know."""
    for lock in _dead_locks(stack):
        console.warn(NAME, f"an earlier run (pid {lock}) was interrupted: its lock is removed")
        console.answer(["pulumi", "cancel", "--yes", stack, "--non-interactive"], env=paths.environment())
    state = json.loads(console.answer(pulumi(stack, "stack", "export"), env=paths.environment()))["deployment"]
    if state.get("pending_operations"):
        console.warn(NAME, "an earlier run was interrupted half-way: what it had begun is cleared")
        argv = pulumi(stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        console.run_logged("refresh", argv, cwd=paths.ROOT, env=paths.environment())
    known = {resource.get("id") for resource in state.get("resources") or []}
    for kind, remove in (("container", ["rm", "-f", "-v"]), ("network", ["network", "rm"])):
        for name, identity in labelled(stack, kind).items():
            if identity not in known:
                console.warn(NAME, f"{kind} {name} is of this stack but not in its state: removed")
                console.answer(["docker", *remove, identity])


def labelled(stack: str, kind: str) -> dict[str, str]:
    """Return the ids of this machine's containers, networks or volumes of a stack, by name."""
    listing = {
        "container": ["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"],
        "network": ["network", "ls", "--no-trunc", "--format", "{{.Name}} {{.ID}}"],
        "volume": ["volume", "ls", "--format", "{{.Name}} {{.Name}}"],
    }[kind]
    if not console.succeeds(["docker", "version"]):
        return {}
    text = console.answer(["docker", *listing, "--filter", f"label={PROJECT}.stack={stack}"])
    return dict(line.split() for line in text.splitlines())


def show(stack: str, *arguments: str) -> int:
    """Run a Pulumi command that people want to see, and say which docker plugin it uses."""
    print(f"docker plugin: {plugin.in_use()}", flush=True)
    return console.run_shown(pulumi(stack, *arguments), env=paths.environment())


def up(stack: str) -> None:
    """Deploy; what was changed by hand is repaired."""
    if show(stack, "up", "--yes", "--skip-preview", "--refresh", "--parallel", PARALLEL):
        raise console.StepError(f"{NAME}: {stack} is not up; the reason is said above. `make up` goes on from here.")


def destroy(stack: str) -> None:
    """Remove containers and networks; volumes stay."""
    if show(stack, "destroy", "--yes", "--skip-preview", "--parallel", PARALLEL):
        raise console.StepError(f"{NAME}: {stack} is not down; the reason is said above.")


def outputs(stack: str) -> dict[str, Any]:
    """Return the stack's outputs, secrets readable."""
    found: dict[str, Any] = json.loads(
        console.answer(pulumi(stack, "stack", "output", "--json", "--show-secrets"), env=paths.environment())
    )
    return found


def ensure_backend() -> None:
    """Leave with a folder for the state and a passphrase, where their user named no other."""
    backend = paths.settings()["PULUMI_BACKEND_URL"]
    if backend.startswith("file:///"):
        Path(backend.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
    file = paths.passphrase_file()
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ or "PULUMI_CONFIG_PASSPHRASE_FILE" in os.environ or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(secrets.token_urlsafe(_SECRET_BYTES), encoding="utf-8")


def _infra(command: str, stack: str, *more: str) -> Sequence[str]:
    return [str(paths.PYTHON), "-m", "infra", command, "--stack", stack, *more]


def _written(stack: str, key: str) -> str:
    """Return a flat key of a stack file or of those it extends; read as text, because no YAML is here yet."""
    seen: set[str] = set()
    while stack and stack not in seen:
        seen.add(stack)
        file = paths.ROOT / f"Pulumi.{stack}.yaml"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        value = _flat(text, key)
        if value:
            return value
        stack = _flat(text, "extends")
    return ""


def _flat(text: str, key: str) -> str:
    found = re.search(rf"^\s+{PROJECT}:{key}:\s*[\"']?([\w.-]+)", text, re.MULTILINE)
    return found[1] if found else ""


def _dead_locks(stack: str, alive: Callable[[int], bool] | None = None) -> list[int]:
    backend = paths.settings()["PULUMI_BACKEND_URL"]
    if not backend.startswith("file:///"):
        return []
    folder = Path(backend.removeprefix("file://")) / ".pulumi" / "locks"
    dead = []
    for file in folder.glob(f"**/{stack}/*.json"):
        lock = json.loads(file.read_text(encoding="utf-8"))
        if lock["hostname"] == socket.gethostname() and not (alive or _is_alive)(lock["pid"]):
            dead.append(lock["pid"])
    return dead


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped doesn't."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
