"""The Pulumi CLI and its Python language host: on PATH, else the official download, else built from Go modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path
from typing import Final

from bootstrap import console, paths, probe

NAME: Final = "pulumi cli"
VERSION: Final = "3.256.0"
# The last release of the SDK's Go module that still holds the Python language host; newer ones are a module of
# their own. It runs programs, secrets, refreshes and hooks of the pinned CLI and SDK; it ignores
# `runtime.options.virtualenv`, which is why the virtualenv's programs come first in PATH.
_LANGUAGE_HOST: Final = "3.79.0"
_ARCHIVE: Final = f"https://get.pulumi.com/releases/sdk/pulumi-v{VERSION}-linux-x64.tar.gz"
_GO: Final = paths.ROOT / "bootstrap" / "go"
_HOST: Final = "pulumi-language-python"
_HELPERS: Final = (f"python/cmd/{_HOST}-exec", "python/dist/pulumi-resource-pulumi-python")


def ensure() -> None:
    """Leave with a CLI and a language host on PATH or in .hearth/bin."""
    origin = found()
    if origin:
        console.done(NAME, origin)
        return
    paths.BIN.mkdir(parents=True, exist_ok=True)
    if probe.reachable(probe.PULUMI):
        _download()
    else:
        _build()
    console.done(NAME, found() or f"v{VERSION}")


def found() -> str:
    """Return which CLI is used and whose it is; empty when there is none that fits."""
    own = paths.BIN / "pulumi"
    if own.exists() and (paths.BIN / _HOST).exists():
        return f"v{VERSION} (.hearth/bin)"
    other = shutil.which("pulumi")
    if other and shutil.which(_HOST) and _fits(other):
        return f"{_version(other)} (on PATH)"
    return ""


def _fits(program: str) -> bool:
    numbers = [int(part) for part in re.findall(r"\d+", _version(program))[:3]]
    return numbers >= [int(part) for part in VERSION.split(".")]


def _version(program: str) -> str:
    ran = subprocess.run([program, "version"], capture_output=True, text=True, check=False, env=paths.environment())
    return ran.stdout.strip()


def _download() -> None:
    console.doing(NAME, f"downloading v{VERSION}")
    archive = paths.cache() / Path(_ARCHIVE).name
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(".part")
    with urllib.request.urlopen(_ARCHIVE, timeout=60) as reply, part.open("wb") as sink:
        shutil.copyfileobj(reply, sink)
    part.rename(archive)
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            member.name = Path(member.name).name
            if member.isfile():
                opened.extract(member, paths.BIN, filter="data")


def _build() -> None:
    go = shutil.which("go")
    if go is None:
        raise console.StepError(
            f"{NAME}: Pulumi's site can't be reached and there is no Go to build it. Install Go 1.24 or newer, or the CLI."
        )
    store = paths.cache() / f"pulumi-{VERSION}-host-{_LANGUAGE_HOST}"
    store.mkdir(parents=True, exist_ok=True)
    version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={VERSION}"
    _compile(go, "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", store, version)
    _compile(go, _HOST, f"github.com/pulumi/pulumi/sdk/v3/python/cmd/{_HOST}", store, "")
    sdk = console.answer(
        [go, "-C", str(_GO / "pulumi"), "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"],
        env=_go_environment(),
    )
    for helper in _HELPERS:
        shutil.copyfile(Path(sdk.strip()) / helper, store / Path(helper).name)
    for program in store.iterdir():
        target = paths.BIN / program.name
        part = target.with_suffix(".part")
        shutil.copyfile(program, part)
        part.chmod(0o755)
        part.rename(target)


def _compile(go: str, name: str, package: str, store: Path, version: str) -> None:
    """Compile one program into the cache, under a temporary name until it is whole."""
    if (store / name).exists():
        return
    console.doing(NAME, f"building {name} from its Go modules (some minutes the first time)")
    part = store.parent / f"{name}.part"
    flags = ["-v", "-trimpath", "-ldflags", f"-s -w {version}".strip(), "-o", str(part)]
    console.run_logged(f"{NAME} {name}", [go, "build", *flags, package], cwd=_GO / name, env=_go_environment())
    part.rename(store / name)


def _go_environment() -> dict[str, str]:
    cache = paths.cache()
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-mod"),
        # Modules are written once and read-only by default, which makes the cache undeletable with rm -r.
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
    }
