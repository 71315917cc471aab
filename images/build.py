"""Builds the images: one Debian bootstrap, then one Docker build for each program on top of it.

An image that exists is never built again: its tag names its inputs. A build that is interrupted leaves no tag.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from images import build_secrets, recipes
from images.output import POLLED_EVERY_S, SPOKEN_EVERY_S, BuildError, Interrupted, LoggedRun, Narrator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

    from images.daemon import Daemon

CHECKOUT: Final = recipes.FOLDER.parent
PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
DEFAULT_JOBS: Final = 2


@dataclass(frozen=True)
class Workshop:
    """Where builds happen: the daemon that gets the images, folders for logs and scratch files, and tools."""

    daemon: Daemon
    logs: Path = CHECKOUT / ".hearth/logs/images"
    scratch: Path = field(default_factory=lambda: cache_folder() / "images")
    uv: Path | None = None
    apt_sources: Path | None = None
    narrator: Narrator = field(default_factory=Narrator)
    stop: threading.Event = field(default_factory=threading.Event)

    def logged(self, name: str) -> LoggedRun:
        """A runner whose output goes to the log of that image."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return LoggedRun(name, self.logs / f"{name}.log", self.narrator, self.stop)


def cache_folder() -> Path:
    """$HEARTH_CACHE, or the checkout's own cache."""
    return Path(os.environ.get("HEARTH_CACHE") or CHECKOUT / ".hearth/cache")


def find_uv(named: str | None = None) -> Path:
    """Find uv: as named, in HEARTH_UV, in the checkout's virtual environment, next to this Python, or on PATH.

    Raises:
        BuildError: there is none.
    """
    beside = (CHECKOUT / ".venv/bin/uv", Path(sys.executable).parent / "uv")
    wanted = [Path(path) for path in (named, os.environ.get("HEARTH_UV")) if path]
    on_path = [Path(path)] if (path := shutil.which("uv")) else []
    for candidate in wanted or [*beside, *on_path]:
        if os.access(candidate, os.X_OK):
            return candidate.resolve()
    tried = ", ".join(map(str, wanted)) or ".venv/bin and PATH"
    msg = f"uv: not found ({tried}). Install the project's requirements: pip install -r requirements.txt."
    raise BuildError(msg)


def in_order(names: Sequence[str]) -> list[recipes.Recipe]:
    """The recipes of those names and of their bases, longest build first, so that parallel builds end together."""
    wanted = {name: recipes.find(name) for name in names}
    for recipe in tuple(wanted.values()):
        if recipe.base:
            wanted[recipe.base] = recipes.find(recipe.base)
    return sorted(wanted.values(), key=lambda recipe: (recipe.base is not None, -recipe.typical_build_s))


def build_all(workshop: Workshop, names: Sequence[str], jobs: int = DEFAULT_JOBS) -> list[str]:
    """Build what is missing of `names` and of their bases; returns the references of the images that were built.

    Raises:
        BuildError: an image could not be built; the others in progress were stopped.
    """
    missing = [recipe for recipe in in_order(names) if not workshop.daemon.image(recipes.reference(recipe.name))]
    bases = [recipe for recipe in missing if recipe.base is None]
    with _stopped_by_signals(workshop.stop):
        for recipe in bases:
            build(workshop, recipe)
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            tasks = [pool.submit(build, workshop, recipe) for recipe in missing if recipe.base]
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
            if any(task.exception() for task in done):
                workshop.stop.set()
        failures = [fault for task in tasks if (fault := task.exception())]
    for fault in sorted(failures, key=lambda fault: isinstance(fault, Interrupted)):
        raise fault
    return [recipes.reference(recipe.name) for recipe in missing]


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C and a polite kill into the stop event: a build in another thread hears no signal."""
    signs = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(sign, lambda *_: stop.set()) for sign in signs]
    try:
        yield
    finally:
        for sign, earlier in zip(signs, before, strict=True):
            signal.signal(sign, earlier)


def build(workshop: Workshop, recipe: recipes.Recipe) -> None:
    """Build one image, unless another run of Hearth has done so meanwhile.

    Raises:
        BuildError: it could not be built.
        Interrupted: the workshop was told to stop.
    """
    if workshop.stop.is_set():
        raise Interrupted
    reference = recipes.reference(recipe.name)
    with _alone(workshop, recipe.name):
        if workshop.daemon.image(reference):
            return
        workshop.narrator.say(recipe.name, f"building {reference}: {recipe.contents}")
        (workshop.logs / f"{recipe.name}.log").unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{recipe.name}-", dir=workshop.scratch) as folder:
            make = _bootstrap if recipe.base is None else _docker_build
            make(workshop, recipe, Path(folder))
    image = workshop.daemon.image(reference)
    size_mb = image.size_bytes / 1e6 if image else 0.0
    workshop.narrator.say(recipe.name, f"done ({size_mb:.0f} MB)")


@contextmanager
def _alone(workshop: Workshop, name: str) -> Iterator[None]:
    """Hold the lock of one image, so that two runs don't build it twice; the kernel frees it with the process."""
    workshop.scratch.mkdir(parents=True, exist_ok=True)
    with (workshop.scratch / f"{name}.lock").open("w") as lock:
        spoken = -SPOKEN_EVERY_S
        while not _locked(lock):
            if workshop.narrator.elapsed_s(name) - spoken >= SPOKEN_EVERY_S:
                spoken = workshop.narrator.elapsed_s(name)
                workshop.narrator.say(name, "waiting: another run is building it")
            if workshop.stop.wait(POLLED_EVERY_S):
                raise Interrupted
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _debian_arguments(recipe: recipes.Recipe) -> list[str]:
    return [f"{package}={version}" for package, version in recipe.debian.items()]


def _bootstrap(workshop: Workshop, recipe: recipes.Recipe, folder: Path) -> None:
    """Unpack Debian packages into a root filesystem on this machine, and import that."""
    if not shutil.which("mmdebstrap"):
        msg = f"{recipe.name}: mmdebstrap is missing. Install it: apt-get install mmdebstrap."
        raise BuildError(msg)
    options = (recipes.FOLDER / recipe.name / "mmdebstrap.options").read_text().splitlines()
    archive = folder / "root.tar"
    command = ["mmdebstrap", *options, f"--include={','.join(_debian_arguments(recipe))}", recipes.DEBIAN_SUITE]
    sources = [str(workshop.apt_sources)] if workshop.apt_sources else []
    logged = workshop.logged(recipe.name)
    logged.run([*command, str(archive), *sources])
    label = f'LABEL hearth.recipe="{recipe.name}"'
    client = str(workshop.daemon.client)
    reference = recipes.reference(recipe.name)
    logged.run([client, "import", "--change", 'CMD ["bash"]', "--change", label, str(archive), reference])


def _docker_build(workshop: Workshop, recipe: recipes.Recipe, folder: Path) -> None:
    """Run the recipe's Dockerfile over a context of its input files and uv."""
    assert recipe.base is not None
    context = folder / "context"
    for place, source in recipes.input_files(recipe).items():
        (context / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, context / place)
    if "install-python.sh" in recipe.modules:
        shutil.copy(workshop.uv or find_uv(), context / "uv")
    secrets = {"ca": build_secrets.certificates(), "uv": build_secrets.uv_settings(folder)}
    command = [str(workshop.daemon.client), "build", "--progress=plain", "--label", f"hearth.recipe={recipe.name}"]
    command += ["--build-arg", f"BASE={recipes.reference(recipe.base)}"]
    if recipe.debian:
        command += ["--build-arg", f"DEBIAN_PACKAGES={' '.join(_debian_arguments(recipe))}"]
    for name in PROXY_VARIABLES:  # by name alone: a proxy's address may carry a password
        command += ["--build-arg", name] if os.environ.get(name) else []
    for secret, path in secrets.items():
        command += ["--secret", f"id={secret},src={path}"] if path else []
    command += ["--tag", recipes.reference(recipe.name), str(context)]
    workshop.logged(recipe.name).run(command, env={"DOCKER_BUILDKIT": "1"})


def prune(daemon: Daemon, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Remove older tags of those recipes; returns what was removed, and what containers still use."""
    removed: list[str] = []
    kept: list[str] = []
    for name in names:
        current = recipes.reference(name)
        for reference in daemon.references(f"{recipes.REPOSITORY}/{name}"):
            if reference != current:
                (removed if daemon.remove(reference) else kept).append(reference)
    return removed, kept
