"""The hub cache on disk: which files of a repository an engine needs, which are here, and where they go.

What is written is the layout that huggingface_hub documents (blobs, snapshots, refs), so that its offline mode reads it.
Beside it, <cache>/hearth/ has for each wanted repository a link to its snapshot (for what takes a path only) and a
marker that names commit and files: with it a start needs no hub.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMIT = re.compile(r"[0-9a-f]{40}")
# What vLLM reads beside weights: configurations, tokenizers, chat templates, code of the repository.
SMALL = ("*.json", "*.jsonl", "*.txt", "*.model", "*.tiktoken", "*.jinja", "*.py", "*.yaml", "*.spm")
# The first of these that a repository has; vllm/model_executor/model_loader/default_loader.py.
WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
# vLLM's own ignore_patterns is original/**/*; the others hold the same weights again, or a training's state.
IGNORED = (
    "original/*",
    "metal/*",
    "onnx/*",
    "openvino/*",
    "coreml/*",
    "training_args.bin",
    "optimizer*",
    "checkpoint-*",
)
# Mistral's own format.
CONSOLIDATED = "consolidated*.safetensors"
_SHA256_DIGITS = 64


@dataclass(frozen=True)
class Repository:
    """What is wanted of the hub: `path` is its key in the stack file, `link` its name below <cache>/hearth.

    `weights` is auto, hf (without Mistral's own), none, or patterns with a comma between; `rank` is the largest that
    the engine takes of an adapter.
    """

    id: str
    link: str
    revision: str = "main"
    path: str = "hearth:models"
    weights: str = "auto"
    rank: int | None = None

    @property
    def folder(self) -> str:
        """Its folder in the hub cache."""
        return "models--" + self.id.replace("/", "--")


@dataclass(frozen=True)
class File:
    """One file of a commit; `blob` is its sha256 in large-file storage, else git's sha1, empty where unknown."""

    path: str
    size: int
    blob: str = ""

    def digest(self) -> Any:
        """Return the hash that `blob` is: sha256, or git's sha1 over a header and the content."""
        if len(self.blob) == _SHA256_DIGITS:
            return hashlib.sha256()
        made = hashlib.sha1(usedforsecurity=False)
        made.update(f"blob {self.size}\0".encode())
        return made


@dataclass(frozen=True)
class Wanted:
    """The files of one repository at one commit. `is_new` ones were told by the hub just now."""

    repository: Repository
    commit: str
    files: Sequence[File]
    is_new: bool = False

    def __str__(self) -> str:
        revision = self.repository.revision
        return f"{self.repository.id} at {self.commit[:12]}" + ("" if revision == self.commit else f" ({revision})")


@dataclass
class Cache:
    """The hub cache below `root` (HF_HOME), and how many bytes came into it."""

    root: Path
    loaded_bytes: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def of(self, repository: Repository) -> Path:
        """Return the repository's folder."""
        return self.root / "hub" / repository.folder

    def blob(self, wanted: Wanted, file: File) -> Path:
        """Return where a file's content lies."""
        return self.of(wanted.repository) / "blobs" / file.blob

    def part(self, wanted: Wanted, file: File) -> Path:
        """Return where a file grows; older clients use the same name and go on where it ends, as this does."""
        return self.of(wanted.repository) / "blobs" / f"{file.blob}.incomplete"

    def snapshot(self, wanted: Wanted) -> Path:
        """Return the folder that looks like the repository at that commit."""
        return self.of(wanted.repository) / "snapshots" / wanted.commit

    def marker(self, repository: Repository) -> Path:
        """Return the file that says which commit is all here."""
        return self.root / "hearth" / f"{repository.link}.json"

    def has(self, wanted: Wanted, file: File) -> bool:
        """Whether the file is in the snapshot already, whole."""
        return size_of(self.snapshot(wanted) / file.path) == file.size

    def missing_bytes(self, wanted: Wanted, file: File) -> int:
        """Return how much of a file still has to come."""
        if self.has(wanted, file) or size_of(self.blob(wanted, file)) == file.size:
            return 0
        return max(0, file.size - max(0, size_of(self.part(wanted, file))))

    def add(self, count: int) -> None:
        """Count bytes that came."""
        with self._counting:
            self.loaded_bytes += count

    def place(self, wanted: Wanted, file: File) -> None:
        """Let the snapshot show a blob."""
        there = self.snapshot(wanted) / file.path
        there.parent.mkdir(parents=True, exist_ok=True)
        point(there, self.blob(wanted, file))

    def publish(self, wanted: Wanted) -> None:
        """Say that a commit is all here. Only now does the branch move: an engine that restarts meanwhile saw the old one."""
        repository = wanted.repository
        marker = self.marker(repository)
        marker.parent.mkdir(parents=True, exist_ok=True)
        if repository.revision != wanted.commit:
            replace_text(self.of(repository) / "refs" / repository.revision, wanted.commit)
        point(marker.parent / repository.link, self.snapshot(wanted))
        content = {
            "schema": 1,
            "repository": repository.id,
            "revision": repository.revision,
            "commit": wanted.commit,
            "weights": repository.weights,
            "files": {file.path: file.size for file in wanted.files},
            "fetched_at": time.time(),
        }
        replace_text(marker, json.dumps(content, sort_keys=True, indent=1))


def size_of(path: Path) -> int:
    """Return a file's size, -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def point(link: Path, target: Path) -> None:
    """Make or move a relative link; a reader sees the old or the new one."""
    new = link.with_name(f".{link.name}.{os.getpid()}.{threading.get_ident()}")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(target, link.parent))
    new.replace(link)


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def chosen(files: Sequence[File], weights: str) -> list[File]:
    """Return what vLLM needs of a repository: the small files, and one format of the weights."""
    files = [file for file in files if not _is_any(file, IGNORED)]
    small = [file for file in files if _is_any(file, SMALL)]
    if weights == "none":
        return small
    if weights not in {"auto", "hf"}:
        return small + [file for file in files if _is_any(file, weights.split(","))]
    own = [file for file in files if _is_any(file, (CONSOLIDATED,))]
    # With Mistral's own files and its params.json, vLLM's auto takes those and leaves the others.
    if own and weights == "auto" and any(file.path == "params.json" for file in small):
        return small + own
    for pattern in WEIGHTS:
        found = [file for file in files if _is_any(file, (pattern,)) and file not in own]
        if found:
            return small + found
    return small + own


def kept(repository: Repository, cache: Cache) -> Wanted | None:
    """Return the commit that is all here, as the marker says; None when there is none or a file is gone."""
    try:
        content = json.loads(cache.marker(repository).read_text(encoding="utf-8"))
        wanted = Wanted(repository, content["commit"], [File(path, size) for path, size in content["files"].items()])
        is_same = content["weights"] == repository.weights
    except (OSError, ValueError, KeyError):
        return None
    return wanted if is_same and all(cache.has(wanted, file) for file in wanted.files) else None


def found(repository: Repository, cache: Cache) -> Wanted | None:
    """Return a commit that something else brought here (a copied cache) and that looks whole; None without one."""
    commit = repository.revision
    if not COMMIT.fullmatch(commit):
        try:
            commit = (cache.of(repository) / "refs" / commit).read_text(encoding="utf-8").strip()
        except OSError:
            return None
    folder = cache.snapshot(Wanted(repository, commit, ()))
    paths = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    files = [File(str(path.relative_to(folder)), size_of(path)) for path in paths]
    picked = chosen(files, repository.weights)
    has_weights = repository.weights == "none" or any(not _is_any(file, SMALL) for file in picked)
    is_broken = any(file.size < 0 for file in files) or _shards(folder) - {file.path for file in files}
    return None if is_broken or not picked or not has_weights else Wanted(repository, commit, picked)


def _shards(folder: Path) -> set[str]:
    """Return the files that the snapshot's indexes name; an index of a format that isn't here names none."""
    named: set[str] = set()
    for index in folder.glob("*.safetensors.index.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
            named |= set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    has_own = any(folder.glob(CONSOLIDATED))
    return {name for name in named if not has_own or name.startswith("consolidated")}


def files_of(siblings: Sequence[Any]) -> list[File]:
    """Return a hub's list of files; in older clients an entry of large-file storage is a plain dict."""
    files = []
    for one in siblings:
        large = getattr(one, "lfs", None)
        sha256 = (large["sha256"] if isinstance(large, Mapping) else large.sha256) if large else None
        files.append(File(one.rfilename, int(one.size or 0), str(sha256 or one.blob_id)))
    return files


def _is_any(file: File, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(file.path, pattern) for pattern in patterns)
