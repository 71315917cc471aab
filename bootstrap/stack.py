"""One stack: its place in the backend, its secrets, and the Pulumi commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from bootstrap import console, hosts, leftovers, paths, plugin, probe

NAME: Final = "stack"
PROJECT: Final = "hearth"
DRIFT: Final = 7
# All engines may start at the same time; Pulumi's own default is a number of cores that has nothing to do with it.
PARALLEL: Final = "32"
_SECRET_BYTES: Final = 32


def pulumi(stack: str, *arguments: str) -> list[str]:
    """Return a Pulumi command for a stack."""
    return ["pulumi", *arguments, "--stack", stack, "--non-interactive"]


def require_file(stack: str) -> None:
    """Raise StepError for a stack without a file, naming those that have one."""
    if not (paths.ROOT / f"Pulumi.{stack}.yaml").exists():
        here = ", ".join(sorted(file.name.split(".")[1] for file in paths.ROOT.glob("Pulumi.*.yaml")))
        raise console.StepError(f"{NAME}: there is no Pulumi.{stack}.yaml. Make it, or use STACK= with one of: {here}.")


def ensure(stack: str) -> None:
    """Leave with a stack in the backend that can be previewed."""
    require_file(stack)
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
        set_config(stack, "imageSource", source, made=True)
        console.done("images", f"{source}: written to Pulumi.{stack}.yaml as hearth:imageSource")


def ensure_secrets(stack: str) -> None:
    """Make the secrets that can be made up, once; say how to set those that can't."""
    missing = [row for row in secrets_of(stack) if not row["set"]]
    for row in missing:
        if row["generate"]:
            set_config(stack, row["name"], make_secret(row["generate"]), secret=True, made=True)
        else:
            fix = f"pulumi config set --secret hearth:{row['name']} --stack {stack}"
            raise console.StepError(f"secrets: {row['name']} is not set ({row['description']}). `{fix}`.")
    made = f"{len(missing)} made" if missing else "all set"
    console.done("secrets", f"{made}, encrypted in Pulumi.{stack}.yaml")


def secrets_of(stack: str) -> list[dict[str, Any]]:
    """Return what secrets a stack needs and which are set, as `python -m infra secrets` tells; never a value."""
    rows: list[dict[str, Any]] = json.loads(console.answer(_infra("secrets", stack, "--json"), env=paths.environment()))
    return rows


def make_secret(kind: str) -> str:
    """Return a random secret: kind key starts with sk-, kind password doesn't."""
    return ("sk-" if kind == "key" else "") + secrets.token_urlsafe(_SECRET_BYTES)


def set_config(stack: str, key: str, value: str, *, secret: bool = False, made: bool = False) -> None:
    """Write one key of the stack's configuration; the value goes to standard input, out of the list of processes.

    What Hearth `made` itself is noted first, so that purge can take it back.
    """
    if made:
        _note_made(stack, [*_made(stack), key])
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


def review(stack: str, *arguments: str) -> int:
    """Preview the stack, keep the plan, and render what would change for its reviewers."""
    folder = paths.HOME / "review"
    folder.mkdir(parents=True, exist_ok=True)
    preview, plan = folder / f"{stack}.json", folder / f"{stack}.plan"
    printed = console.answer(pulumi(stack, "preview", "--json", "--save-plan", str(plan)), env=paths.environment())
    preview.write_text(printed, encoding="utf-8")
    told = console.run_shown(_infra("review", stack, "--preview", str(preview), *arguments), env=paths.environment())
    print(f"kept: {preview}; `make up STACK={stack} PLAN={plan}` does just that", file=sys.stderr)
    return told


def drift(stack: str, *arguments: str) -> int:
    """Compare what runs with what is declared, and return the exit code: DRIFT when they differ."""
    code = console.run_shown(_infra("drift", stack, *arguments), env=paths.environment())
    if code not in {0, DRIFT}:
        print(f"the check itself failed: exit code {code}", file=sys.stderr)
    return code


def drifted(stack: str) -> dict[str, Any]:
    """Return what differs, as `python -m infra drift --json` tells it.

    Raises StepError when it couldn't be found out.
    """
    argv = [*_infra("drift", stack, "--json")]
    ran = subprocess.run(argv, cwd=paths.ROOT, env=paths.environment(), stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode not in {0, DRIFT}:
        raise console.StepError(
            f"drift: what runs can't be compared (exit code {ran.returncode}). `make doctor` says more."
        )
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def show(stack: str, *arguments: str) -> int:
    """Run a Pulumi command that people want to see, and say which docker plugin it uses."""
    print(f"docker plugin: {plugin.in_use()}", flush=True)
    return console.run_shown(pulumi(stack, *arguments), env=paths.environment())


def up_as_planned(stack: str, plan: Path) -> None:
    """Deploy what a saved plan says, and nothing else: what would differ from it by now fails before it is done."""
    _change(stack, "up", "--continue-on-error", "--plan", str(plan))


def up(stack: str, left: hosts.Left = hosts.Left(), *, replaced: Sequence[str] = ()) -> None:  # noqa: B008 - frozen, empty
    """Deploy, but for the hosts that are left alone; what was changed by hand is repaired, where the engine sees it.

    What fails on one host stops only what comes after it. Resources that are `replaced` are made anew in any case.
    """
    more = ["--refresh", "--continue-on-error", *(part for urn in replaced for part in ("--replace", urn))]
    if left.hosts:
        state = json.loads(console.answer(pulumi(stack, "stack", "export"), env=paths.environment()))
        more += [part for urn in left.excluded(state) for part in ("--exclude", urn)]
    _change(stack, "up", *more, environment=left.environment())


def destroy(stack: str) -> None:
    """Remove containers and networks; volumes stay."""
    _change(stack, "destroy")


def _change(stack: str, verb: str, *more: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    print(f"docker plugin: {plugin.in_use()}", flush=True)
    argv = pulumi(stack, verb, "--yes", "--skip-preview", "--suppress-progress", "--parallel", PARALLEL, *more)
    with leftovers.marked(stack) as marked:
        if console.run_shown(argv, name=f"pulumi {verb}", env={**marked, **environment}):
            done = {"up": "up", "destroy": "down"}[verb]
            again = f"`make {done}` goes on from here"
            raise console.StepError(f"{NAME}: {stack} is not {done}; the reason is said above. {again}.")


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
    # A shell with .hearth/env.sh names Hearth's own file, which isn't there before the first deployment.
    named = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE", str(file))
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ or named != str(file) or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(secrets.token_urlsafe(_SECRET_BYTES), encoding="utf-8")
    part.rename(file)


def forget_made(stack: str) -> bool:
    """Take what Hearth made out of the stack file: with the data gone, the passwords to it have no more use.

    Return whether there was anything.
    """
    file = paths.ROOT / f"Pulumi.{stack}.yaml"
    keys = _made(stack)
    for key in keys:
        if re.search(rf"^\s+{PROJECT}:{key}:", file.read_text(encoding="utf-8"), re.MULTILINE):
            console.answer(pulumi(stack, "config", "rm", f"{PROJECT}:{key}"), env=paths.environment())
    _made_file(stack).unlink(missing_ok=True)
    return bool(keys)


def forget_salt(stack: str) -> None:
    """Take the salt out of a stack file that holds no secret; the stack has to be gone from the backend."""
    file = paths.ROOT / f"Pulumi.{stack}.yaml"
    text = file.read_text(encoding="utf-8")
    if not re.search(r"^\s+(- )?secure:", text, re.MULTILINE):
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_text(re.sub(r"^encryptionsalt: .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
        part.replace(file)


def _made_file(stack: str) -> Path:
    return paths.HOME / "runs" / f"{stack}.made.json"


def _made(stack: str) -> list[str]:
    with contextlib.suppress(OSError, ValueError):
        return [str(key) for key in json.loads(_made_file(stack).read_text(encoding="utf-8"))]
    return []


def _note_made(stack: str, keys: Sequence[str]) -> None:
    file = _made_file(stack)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(sorted(set(keys))), encoding="utf-8")
    part.replace(file)


def _infra(command: str, stack: str, *more: str) -> Sequence[str]:
    return [str(paths.PYTHON), "-m", "infra", command, "--stack", stack, *more]


def texts(stack: str) -> list[str]:
    """Return a stack file and those it extends, nearest first; as text, because no YAML is here yet."""
    seen: dict[str, str] = {}
    while stack and stack not in seen:
        file = paths.ROOT / f"Pulumi.{stack}.yaml"
        seen[stack] = file.read_text(encoding="utf-8") if file.exists() else ""
        stack = _flat(seen[stack], "extends")
    return list(seen.values())


def _written(stack: str, key: str) -> str:
    """Return a flat key of a stack file or of the nearest that it extends and that has it."""
    return next((value for text in texts(stack) if (value := _flat(text, key))), "")


def _flat(text: str, key: str) -> str:
    found = re.search(rf"^\s+{PROJECT}:{key}:\s*[\"']?([\w.-]+)", text, re.MULTILINE)
    return found[1] if found else ""
