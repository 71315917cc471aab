"""A model hub on loopback that speaks the routes which huggingface_hub and the fetcher use, and counts what it serves.

Large files are redirected to another host name, as the real hub does.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGE_BYTES = 4096
_API = re.compile(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/([^?]+))?(?:\?.*)?")
_FILE = re.compile(r"(/cdn)?/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")


@dataclass
class Held:
    """A repository of the hub; `branches` say which commit each one is at."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    token: str | None = None


@dataclass
class SmallHub:
    """The hub: what it holds, what it does wrong, and what it saw."""

    held: dict[str, Held] = field(default_factory=dict)
    cut_after_bytes: dict[str, int] = field(default_factory=dict)
    damages: set[str] = field(default_factory=set)
    ignores_ranges: bool = False
    is_down: bool = False
    piece_wait_s: float = 0.0
    served_bytes: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens_at_cdn: list[str] = field(default_factory=list)
    port: int = 0
    large_host: str = "localhost"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold(self, name: str, files: dict[str, bytes], *, branch: str = "main", token: str | None = None) -> str:
        """Add a commit to a repository and let the branch point to it; return the commit."""
        content = json.dumps({path: hashlib.sha256(data).hexdigest() for path, data in files.items()}, sort_keys=True)
        commit = hashlib.sha256(f"{name}{content}".encode()).hexdigest()[:40]
        held = self.held.setdefault(name, Held({}, {}, token))
        held.commits[commit] = files
        held.branches[branch] = commit
        return commit


def listing(files: dict[str, bytes]) -> list[dict[str, Any]]:
    siblings = []
    for path, data in files.items():
        one: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": blob_id(data)}
        if len(data) >= LARGE_BYTES:
            one["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        siblings.append(one)
    return siblings


def blob_id(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


class _Requests(BaseHTTPRequestHandler):
    hub: SmallHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        if self.hub.is_down:
            self._answer(503, b"")
        elif match := _API.fullmatch(self.path):
            self._model(match[1], match[2] or "main")
        elif match := _FILE.fullmatch(self.path):
            self._file(is_cdn=bool(match[1]), name=match[2], revision=match[3], path=match[4])
        else:
            self._answer(404, b"")

    def _model(self, name: str, revision: str) -> None:
        held = self.hub.held.get(name)
        if held is None:
            # The real hub doesn't tell strangers what exists.
            self._answer(401, b"{}", **{"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return
        given = self.headers.get("Authorization")
        if given is not None and held.token is not None and given != f"Bearer {held.token}":
            self._answer(401, b"{}", **{"X-Error-Message": "Invalid credentials in Authorization header"})
            return
        commit = held.branches.get(revision, revision)
        if commit not in held.commits:
            self._answer(404, b"{}", **{"X-Error-Code": "RevisionNotFound"})
            return
        content = {"id": name, "sha": commit, "siblings": listing(held.commits[commit]), "private": False, "tags": []}
        self._answer(200, json.dumps(content).encode(), **{"Content-Type": "application/json"})

    def _file(self, *, is_cdn: bool, name: str, revision: str, path: str) -> None:
        held = self.hub.held[name]
        if is_cdn:
            self.hub.tokens_at_cdn += [self.headers["Authorization"]] if "Authorization" in self.headers else []
        elif held.token is not None and self.headers.get("Authorization") != f"Bearer {held.token}":
            self._answer(403 if "Authorization" in self.headers else 401, b"", **{"X-Error-Code": "GatedRepo"})
            return
        commit = held.branches.get(revision, revision)
        data = held.commits[commit][path]
        if len(data) >= LARGE_BYTES and not is_cdn:
            there = f"http://{self.hub.large_host}:{self.hub.port}/cdn{self.path}"
            etag = hashlib.sha256(data).hexdigest()
            self._answer(302, b"", Location=there, **{"X-Repo-Commit": commit, "X-Linked-Etag": f'"{etag}"'})
            return
        start = 0
        ranged = self.headers.get("Range")
        if ranged is not None and not self.hub.ignores_ranges:
            start = int(ranged.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{blob_id(data)}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "GET":
            self._send(path, data, start)

    def _send(self, path: str, data: bytes, start: int) -> None:
        end = self.hub.cut_after_bytes.pop(path, len(data))
        if path in self.hub.damages:
            self.hub.damages.remove(path)
            data = bytes(len(data))
        for at in range(start, end, 16384):
            piece = data[at : min(end, at + 16384)]
            self.wfile.write(piece)
            self.hub.served_bytes[path] = self.hub.served_bytes.get(path, 0) + len(piece)
            time.sleep(self.hub.piece_wait_s)
        if end < len(data):
            self.close_connection = True

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def started(hub: SmallHub, address: tuple[str, int] = ("127.0.0.1", 0)) -> ThreadingHTTPServer:
    """Start serving, on a free port unless one is given; the caller shuts it down."""
    requests = type("Requests", (_Requests,), {"hub": hub})
    server = ThreadingHTTPServer(address, requests)
    server.daemon_threads = True
    hub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
