"""How bytes come from the hub: with resume, a hash over what came, bounded tries, and a cause for every failure."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from .hub_cache import Cache, File, Repository, Wanted, size_of

# Codes below 20 are the shell's and Python's own. Another try can mend `network` alone.
CODES = {"gated": 20, "not_found": 21, "disk": 22, "network": 23, "settings": 24, "adapter": 25, "other": 26}
GIB = 2**30
PIECE_BYTES = 4 * 2**20
FULL = (errno.ENOSPC, errno.EDQUOT)
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, PARTIAL, NOT_SATISFIABLE = 401, 403, 404, 206, 416
T = TypeVar("T")


class FailedError(Exception):
    """Why it can't go on: the cause's name (a key of CODES), what was seen, and what mends it."""

    def __init__(self, cause: str, says: str, fix: str, *, is_final: bool = False) -> None:
        super().__init__(says)
        self.cause, self.says, self.fix = cause, says, fix
        self.is_final = is_final or cause != "network"


@dataclass(frozen=True)
class Settings:
    """The settings file, without its repositories. `tries` are those in a row that bring no byte."""

    cache: Path
    host: str = "this host"
    spare_bytes: int = GIB
    tries: int = 6
    first_wait_s: float = 2.0
    longest_wait_s: float = 60.0
    timeout_s: float = 30.0
    progress_s: float = 5.0
    streams: int = 4


def say(text: str) -> None:
    """Print a line for people and programs."""
    print(f"hearth: {text}", flush=True)


def gib(size_bytes: float) -> str:
    """Write bytes as GiB, a few of them with more digits."""
    return f"{size_bytes / GIB:.1f}" if size_bytes >= GIB / 10 or not size_bytes else f"{size_bytes / GIB:.4f}"


def named(error: Exception, repository: Repository, token: str | None) -> FailedError:
    """Give an error its cause. The client's own errors are told by name: its transport has been three libraries."""
    names = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "code", None)
    what, path = repository.id, repository.path
    # Gated comes first: it is a kind of missing repository to the client, and so is what a bad token can't see.
    if "GatedRepoError" in names or (status in {UNAUTHORIZED, FORBIDDEN} and "RepositoryNotFoundError" not in names):
        return _gated(repository, token, status)
    if "RevisionNotFoundError" in names:
        says = f"{what} has no revision {repository.revision!r}"
        return FailedError("not_found", says, f"correct the revision of {path}")
    if names & {"RepositoryNotFoundError", "HFValidationError"} or status == NOT_FOUND:
        private = ", or it is private and needs gated: true with hearth:hfToken" if token is None else ""
        return FailedError("not_found", f"the hub has no {what}{private}", f"correct {path}")
    if isinstance(error, OSError) and error.errno in FULL:
        return FailedError("disk", f"the disk is full: {error.strerror}", "free some of it")
    if "OfflineModeIsEnabled" in names:
        fix = "copy a hub cache into the volume, or remove HF_HUB_OFFLINE"
        return FailedError("network", f"HF_HUB_OFFLINE keeps the hub from being asked for {what}", fix, is_final=True)
    text = (str(error).strip().splitlines() or [""])[0]
    says = f"{what}: {type(error).__name__} {text}".rstrip(" .")
    return FailedError("network", says, "check the network, HF_ENDPOINT and the proxy")


def _gated(repository: Repository, token: str | None, status: object) -> FailedError:
    page = f"accept the terms on the hub's page of {repository.id}"
    if token is None:
        says = f"the hub refuses {repository.id} without a token (HTTP {status})"
        return FailedError("gated", says, f"{page}, set gated: true for {repository.path}, and hearth:hfToken")
    says = f"the hub refuses the token for {repository.id} (HTTP {status})"
    return FailedError("gated", says, f"{page} with the account of hearth:hfToken, or set another token")


def with_tries(step: Callable[[], T], settings: Settings, got: Callable[[], int], tries: int) -> T:
    """Do a step again while it fails for the network; a try that brought bytes starts the count anew."""
    failed, before, wait_s = 0, got(), settings.first_wait_s
    while True:
        try:
            return step()
        except FailedError as error:
            if error.is_final:
                raise
            if got() != before:
                failed, before, wait_s = 0, got(), settings.first_wait_s
            failed += 1
            if failed >= tries:
                raise
            say(f"{error.says}; try {failed + 1} of {tries} in {wait_s:g} s")
            time.sleep(wait_s)
            wait_s = min(settings.longest_wait_s, wait_s * 2)


def tls() -> ssl.SSLContext:
    """Return TLS settings with the certificates that the client brings: small images have none of their own."""
    made = ssl.create_default_context()
    own = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    with contextlib.suppress(ImportError, OSError):
        import certifi  # noqa: PLC0415 - not in every image

        made.load_verify_locations(own or certifi.where())
    return made


def load(wanted: Wanted, file: File, cache: Cache, settings: Settings, token: str | None) -> None:
    """Bring one file, from where an earlier try ended. Raises FailedError."""
    from huggingface_hub import hf_hub_url  # noqa: PLC0415 - main sets HF_HOME first

    part, repository = cache.part(wanted, file), wanted.repository
    part.parent.mkdir(parents=True, exist_ok=True)
    start = max(0, size_of(part))
    url = hf_hub_url(repository.id, file.path, revision=wanted.commit)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 - HF_ENDPOINT's scheme
    if start:
        request.add_header("Range", f"bytes={start}-")
    if token:
        # A large file is redirected to another host, which must not see the token.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        if start < file.size or start == 0:
            _receive(request, part, cache, settings)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
            is_hub = urlsplit(error.url).netloc == urlsplit(url).netloc
            if error.code == NOT_SATISFIABLE or not is_hub:
                raise FailedError("network", f"{repository.id}: HTTP {error.code}", "check the network") from error
            raise named(error, repository, token) from error
    except (OSError, http.client.HTTPException) as error:
        raise named(error, repository, token) from error
    _check(part, file, repository)
    part.replace(cache.blob(wanted, file))


def _receive(request: urllib.request.Request, part: Path, cache: Cache, settings: Settings) -> None:
    """Append what the hub sends; a hub that sends the whole file again starts the part again."""
    with (
        urllib.request.urlopen(request, timeout=settings.timeout_s, context=tls()) as answer,  # noqa: S310 - HF_ENDPOINT's
        part.open("ab" if answer.status == PARTIAL else "wb") as out,
    ):
        while piece := answer.read(PIECE_BYTES):
            out.write(piece)
            cache.add(len(piece))


def _check(part: Path, file: File, repository: Repository) -> None:
    """Compare size and hash with what the hub promised; a damaged file goes, a short one stays for the next try."""
    size = size_of(part)
    if size < file.size:
        says = f"{repository.id}: the connection ended in {file.path} at {gib(size)} of {gib(file.size)} GiB"
        raise FailedError("network", says, "check the network")
    made = file.digest()
    with part.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            made.update(piece)
    if made.hexdigest() != file.blob:
        part.unlink()
        says = f"{repository.id}: {file.path} arrived damaged"
        raise FailedError("network", says, "check the network and the host's memory")


def load_all(all_wanted: Sequence[Wanted], cache: Cache, settings: Settings, token: str | None) -> None:
    """Bring what is missing, small files first: a hub that refuses says so before gigabytes came."""
    tasks = {
        cache.blob(wanted, file): (wanted, file) for wanted in all_wanted for file in wanted.files if wanted.is_new
    }
    ordered = sorted(tasks.values(), key=lambda task: task[1].size)

    def bring(task: tuple[Wanted, File]) -> None:
        wanted, file = task
        if not cache.has(wanted, file) and size_of(cache.blob(wanted, file)) != file.size:
            with_tries(
                lambda: load(wanted, file, cache, settings, token),
                settings,
                lambda: max(0, size_of(cache.part(wanted, file))),
                settings.tries,
            )

    pool = ThreadPoolExecutor(settings.streams)
    try:
        if ordered:
            bring(ordered[0])
        for task in [pool.submit(bring, task) for task in ordered[1:]]:
            task.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for wanted in all_wanted:
        for file in wanted.files if wanted.is_new else ():
            if not cache.has(wanted, file):
                cache.place(wanted, file)
