"""The Pulumi CLI and its Python language host: on PATH, else the official download, else built from Go modules."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tarfile
import time
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
_SITE: Final = "https://get.pulumi.com/releases/sdk"
_MACHINES: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_GO: Final = paths.ROOT / "bootstrap" / "go"
_HOST: Final = "pulumi-language-python"
_SCRIPTS: Final = (f"python/cmd/{_HOST}-exec", "python/dist/pulumi-resource-pulumi-python")
# Of the hosts in the official archive only that of Python is needed; they are 400 MB together.
_WANTED: Final = re.compile(r"pulumi|pulumi-(language|resource|analyzer).*python.*")
# Says which version .hearth/bin holds and where it came from; written last, so that half a set is never taken for one.
_STAMP: Final = "pulumi.version"
_BLOCK_BYTES: Final = 1 << 20
_READ_WITHIN_S: Final = 30


def ensure() -> None:
    """Leave with a CLI and a language host on PATH or in .hearth/bin.

    Raises StepError where neither Pulumi's site nor a Go compiler can be had.
    """
    origin = found()
    if origin:
        console.done(NAME, origin)
        return
    if probe.reachable(probe.PULUMI):
        try:
            _install(_downloaded(_SITE), "official")
        except (OSError, tarfile.TarError, ValueError) as fault:
            # The site answered the probe and then didn't keep its word: what can be built needs it no more.
            console.warn(NAME, f"no download ({fault}); building it instead")
    if not found():
        _install(_built(), "built from Go modules")
    console.done(NAME, found())


def found() -> str:
    """Return which CLI is used and whose it is; empty when there is none that fits."""
    stamp = paths.BIN / _STAMP
    if stamp.exists():
        version, _, origin = stamp.read_text(encoding="utf-8").partition(" ")
        if version == VERSION and all((paths.BIN / name).exists() for name in ("pulumi", _HOST)):
            return f"v{version}, {origin} (.hearth/bin)"
    elsewhere = os.pathsep.join(
        entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(entry) != paths.BIN
    )
    other = shutil.which("pulumi", path=elsewhere)
    if other and shutil.which(_HOST, path=elsewhere):
        version = _version(other)
        if fits(version):
            return f"{version} (on PATH)"
    return ""


def fits(version: str) -> bool:
    """Whether a CLI can run the pinned SDK: the same major version, and not older."""
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    wanted = [int(part) for part in VERSION.split(".")]
    return numbers[:1] == wanted[:1] and numbers >= wanted


def archive_name(system: str, machine: str) -> str:
    """Return the official archive of a kind of machine.

    Raises ValueError for one that has none.
    """
    if machine.lower() not in _MACHINES:
        raise ValueError(f"Pulumi has no archive for {machine}")
    return f"pulumi-v{VERSION}-{system.lower()}-{_MACHINES[machine.lower()]}.tar.gz"


def _version(program: str) -> str:
    try:
        ran = subprocess.run([program, "version"], capture_output=True, text=True, check=False, env=paths.environment())
    except OSError:
        return ""
    return ran.stdout.strip()


def _downloaded(site: str) -> Path:
    """Return a folder with the official programs; only an archive with the published checksum is unpacked."""
    store = paths.cache() / f"pulumi-{VERSION}-official"
    if store.exists():
        return store
    console.doing(NAME, f"downloading v{VERSION}")
    name = archive_name(platform.system(), platform.machine())
    with urllib.request.urlopen(f"{site}/pulumi-{VERSION}-checksums.txt", timeout=_READ_WITHIN_S) as reply:  # noqa: S310 - the pinned site
        published = dict(reversed(line.split()) for line in reply.read().decode().splitlines() if line.strip())
    part = _workplace(store)
    digest = _fetch(f"{site}/{name}", part / name)
    if digest != published.get(name):
        raise ValueError(f"{name} has the checksum {digest}, published is {published.get(name)}")
    with tarfile.open(part / name) as opened:
        for member in opened.getmembers():
            member.name = Path(member.name).name
            if member.isfile() and _WANTED.fullmatch(member.name):
                opened.extract(member, part, filter="data")
    (part / name).unlink()
    part.rename(store)
    return store


def _fetch(url: str, target: Path) -> str:
    """Write what a URL gives into a file; return its SHA-256."""
    digest, received_bytes, told = hashlib.sha256(), 0, time.monotonic()
    with urllib.request.urlopen(url, timeout=_READ_WITHIN_S) as reply, target.open("wb") as sink:  # noqa: S310 - the pinned site
        while block := reply.read(_BLOCK_BYTES):
            sink.write(block)
            digest.update(block)
            received_bytes += len(block)
            if time.monotonic() - told > console.SIGN_OF_LIFE_S:
                told = time.monotonic()
                console.doing(NAME, f"{received_bytes // _BLOCK_BYTES} MiB downloaded")
    return digest.hexdigest()


def _built() -> Path:
    """Return a folder with programs built from their Go modules; its name tells the inputs, so it is never stale."""
    inputs = hashlib.sha256()
    for file in sorted(_GO.glob("*/*")):
        inputs.update(file.read_bytes())
    store = paths.cache() / f"pulumi-{VERSION}-{platform.machine()}-{inputs.hexdigest()[:12]}"
    if store.exists():
        return store
    go = shutil.which("go")
    if go is None:
        raise console.StepError(
            f"{NAME}: Pulumi's site can't be reached and there is no Go to build it. Install Go 1.26 or newer, or the CLI."
        )
    part = _workplace(store)
    version = "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
    _compile(go, "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", part, f"{version}={VERSION}")
    language_host = f"github.com/pulumi/pulumi/sdk/v3/python/cmd/{_HOST}"
    _compile(go, _HOST, language_host, part, f"{version}={_LANGUAGE_HOST}")
    sdk = console.answer(
        [go, "-C", str(_GO / "pulumi"), "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"],
        env=_go_environment(go),
    )
    for script in _SCRIPTS:
        shutil.copyfile(Path(sdk.strip()) / script, part / Path(script).name)
    part.rename(store)
    return store


def _workplace(store: Path) -> Path:
    """Return an empty folder that becomes the store when it is whole; what killed runs left of theirs is removed."""
    for old in store.parent.glob(f"{store.name}.*"):
        shutil.rmtree(old, ignore_errors=True)
    part = store.with_name(f"{store.name}.{os.getpid()}")
    part.mkdir(parents=True)
    return part


def _compile(go: str, name: str, package: str, folder: Path, version: str) -> None:
    console.doing(NAME, f"building {name} from its Go modules (some minutes the first time)")
    flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {version}", "-o", str(folder / name)]
    argv = [go, "build", *flags, package]
    console.run_logged(f"{NAME} {name}", argv, cwd=_GO / name, env=_go_environment(go))


def _go_environment(go: str) -> dict[str, str]:
    """Return an environment in which Go keeps everything in the cache, and the user's own settings (a proxy) still hold."""
    cache = paths.cache()
    ran = subprocess.run([go, "env", "GOENV"], capture_output=True, text=True, check=False)
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOENV": ran.stdout.strip() or "off",
        "GOPATH": str(cache / "go"),
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-mod"),
        # Modules are written read-only by default, which makes a cache that rm -r can't remove.
        "GOFLAGS": "-modcacherw",
        # Go counts its own use in a file of the configuration folder.
        "XDG_CONFIG_HOME": str(cache / "config"),
    }


def _install(store: Path, origin: str) -> None:
    """Put the programs into .hearth/bin, each whole or not at all."""
    paths.BIN.mkdir(parents=True, exist_ok=True)
    (paths.BIN / _STAMP).unlink(missing_ok=True)
    for program in store.iterdir():
        part = paths.BIN / f"{program.name}.{os.getpid()}"
        shutil.copyfile(program, part)
        part.chmod(0o755)
        part.rename(paths.BIN / program.name)
    (paths.BIN / _STAMP).write_text(f"{VERSION} {origin}", encoding="utf-8")
