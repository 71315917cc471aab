"""Bring a model's files into the hub cache before an engine needs them.

Runs to its end inside the engine's image, with nothing but the standard library and huggingface_hub:
`PYTHONPATH=/opt/hearth python3 -m fetcher.fetch SETTINGS.json`. The client says what a revision holds; the bytes are
fetched here, because since huggingface_hub's pull request 4228 a download that was cut starts again at its first byte.

Ends with 0 when all is there, else with its cause's code (CODES) and a last line `hearth: fetch failed (cause): ...`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .hub_cache import Cache, Repository, Wanted, chosen, files_of, found, kept
from .transfer import CODES, FULL, FailedError, Settings, gib, load_all, named, say, with_tries

if TYPE_CHECKING:
    from types import FrameType

TOKEN_FILE = Path("/run/secrets/hearth/HF_TOKEN")
TOLD_WAITING_S = 30.0
OFFLINE_TRIES = 2


def read_token() -> str | None:
    """Return the hub's token: of the mounted secret, else of the environment; never of an argument."""
    with contextlib.suppress(OSError):
        return TOKEN_FILE.read_text(encoding="utf-8").strip() or None
    return os.environ.get("HF_TOKEN", "").strip() or None


def ask_hub(repository: Repository, settings: Settings, token: str | None, tries: int) -> Wanted:
    """Ask what the revision holds. Raises FailedError; for the network after so many tries."""
    from huggingface_hub import HfApi  # noqa: PLC0415 - main sets HF_HOME first

    def ask() -> Wanted:
        try:
            answer = HfApi(token=token or False).model_info(
                repository.id, revision=repository.revision, files_metadata=True, timeout=settings.timeout_s
            )
        except Exception as error:
            raise named(error, repository, token) from error
        picked = chosen(files_of(answer.siblings or ()), repository.weights)
        if not picked:
            raise FailedError("not_found", f"{repository.id} has no file that vLLM reads", f"correct {repository.path}")
        return Wanted(repository, str(answer.sha), picked, is_new=True)

    return with_tries(ask, settings, lambda: 0, tries)


def resolve(repository: Repository, cache: Cache, settings: Settings, token: str | None) -> Wanted:
    """Decide the commit: a pinned one that is here needs no hub, a branch is looked up while the hub answers."""
    here = kept(repository, cache)
    if here is not None and here.commit == repository.revision:
        return here
    fallback = here or found(repository, cache)
    try:
        return ask_hub(repository, settings, token, settings.tries if fallback is None else OFFLINE_TRIES)
    except FailedError as error:
        if error.cause != "network" or fallback is None:
            raise
        say(f"warning: {error.says}; {fallback} of the cache serves")
        return fallback


def check_space(all_wanted: Sequence[Wanted], cache: Cache, settings: Settings) -> int:
    """Return the bytes that have to come. Raises FailedError when the disk can't take them."""
    missing = {
        cache.blob(wanted, file): cache.missing_bytes(wanted, file)
        for wanted in all_wanted
        for file in wanted.files
        if wanted.is_new
    }
    needed_bytes = sum(missing.values())
    disk = shutil.disk_usage(cache.root)
    lacking_bytes = needed_bytes + settings.spare_bytes - disk.free
    if needed_bytes and lacking_bytes > 0:
        says = (
            f"{gib(needed_bytes)} GiB have to come and {gib(settings.spare_bytes)} GiB are to stay free, but the disk "
            f"of {settings.host} under {cache.root} has {gib(disk.free)} GiB free of {gib(disk.total)}"
        )
        raise FailedError("disk", says, f"free {gib(lacking_bytes)} GiB on {settings.host}, or move its volumes")
    return needed_bytes


@contextlib.contextmanager
def progress(needed_bytes: int, cache: Cache, settings: Settings) -> Iterator[None]:
    """Say every few seconds how far it is."""
    over = threading.Event()

    def tell() -> None:
        before = 0
        while not over.wait(settings.progress_s):
            now = cache.loaded_bytes
            rate = (now - before) / settings.progress_s / 1e6
            say(f"fetching {gib(now)} of {gib(needed_bytes)} GiB, {rate:.0f} MB/s")
            before = now

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


@contextlib.contextmanager
def alone(repositories: Sequence[Repository], cache: Cache) -> Iterator[None]:
    """Hold the locks of these repositories; all take them in one order, so none waits for one that waits for it."""
    folder = cache.root / "hearth" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        for name in sorted({repository.folder for repository in repositories}):
            file = held.enter_context((folder / f"{name}.lock").open("a"))
            told_at = -TOLD_WAITING_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() - told_at >= TOLD_WAITING_S:
                        told_at = time.monotonic()
                        say(f"waits: another container loads {name.removeprefix('models--').replace('--', '/')}")
                    time.sleep(0.5)
        yield


def check_rank(wanted: Wanted, cache: Cache) -> None:
    """Compare an adapter's rank with what the engine will be started for; vLLM would refuse it after minutes."""
    most = wanted.repository.rank
    file = cache.snapshot(wanted) / "adapter_config.json"
    if most is None:
        return
    path = wanted.repository.path
    if not file.is_file():
        raise FailedError(
            "adapter", f"{wanted.repository.id} is no LoRA adapter: it has no {file.name}", f"correct {path}"
        )
    rank = json.loads(file.read_text(encoding="utf-8")).get("r")
    if isinstance(rank, int) and rank > most:
        says = f"{wanted.repository.id} has rank {rank}, the engine takes at most {most}"
        raise FailedError("adapter", says, f"set {path}.rank: {rank}")


def fetch(repositories: Sequence[Repository], settings: Settings, token: str | None) -> None:
    """Bring everything. Raises FailedError."""
    cache = Cache(settings.cache)
    cache.root.mkdir(parents=True, exist_ok=True)
    with alone(repositories, cache):
        started = time.monotonic()
        all_wanted = [resolve(repository, cache, settings, token) for repository in repositories]
        needed_bytes = check_space(all_wanted, cache, settings)
        if needed_bytes:
            say(f"{gib(needed_bytes)} GiB to fetch for {', '.join(map(str, all_wanted))}")
        with progress(needed_bytes, cache, settings):
            load_all(all_wanted, cache, settings, token)
        for wanted in all_wanted:
            check_rank(wanted, cache)
            cache.publish(wanted)
            total = sum(file.size for file in wanted.files)
            say(
                f"{wanted.repository.revision} of {wanted.repository.id} is {wanted.commit}: "
                f"{len(wanted.files)} files, {gib(total)} GiB, all here"
            )
        say(f"fetched {gib(cache.loaded_bytes)} GiB in {time.monotonic() - started:.1f} s")


def read_settings(arguments: Sequence[str]) -> tuple[list[Repository], Settings]:
    """Read the settings file. Raises FailedError for one that isn't Hearth's."""
    if len(arguments) != 1:
        raise FailedError("settings", f"{len(arguments)} arguments were given", "give one, the settings file")
    path = Path(arguments[0])
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        repositories = [Repository(**one) for one in content.pop("repositories")]
        return repositories, Settings(**{**content, "cache": Path(content["cache"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FailedError("settings", f"{path} can't be used: {error!r}", "run `pulumi up` again") from error


def main(arguments: Sequence[str]) -> int:
    """Fetch what the settings name; return the exit code."""

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        say("stopped; what came is kept, and the next start goes on there")
        # Threads may be waiting for the hub for as long as its time-out.
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        repositories, settings = read_settings(arguments)
        os.environ["HF_HOME"] = str(settings.cache)
        fetch(repositories, settings, read_token())
    except FailedError as error:
        failure = error
    except OSError as error:
        cause = "disk" if error.errno in FULL else "other"
        failure = FailedError(cause, str(error), "free some of the disk" if cause == "disk" else "see its log")
    else:
        return 0
    fix = failure.fix[:1].upper() + failure.fix[1:]
    print(f"hearth: fetch failed ({failure.cause}): {failure.says}. {fix}.", file=sys.stderr, flush=True)
    return CODES[failure.cause]


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    # Streams that still wait for the hub must not keep a failed fetch from ending.
    os._exit(ended)
