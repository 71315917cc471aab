"""What the entry point tells of its engine: a file for people and tools, a health check, and metrics."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import usage
from .files import replace_text

STATES = ("queued", "starting", "running", "stopping", "waiting", "failed", "ended")
SCHEMA = 1
# The gauges that are made of what the engine printed; GiB as it prints them, bytes as Prometheus wants them.
_GIB = 2**30
_SILENCE_S = 10.0
_REPORTED = {
    "weights_gib": ("hearth_engine_weights_bytes", _GIB),
    "kv_cache_gib": ("hearth_engine_kv_cache_bytes", _GIB),
    "kv_cache_tokens": ("hearth_engine_kv_cache_tokens", 1),
    "concurrency": ("hearth_engine_max_concurrency", 1),
}


class Status:
    """The engine's state as others see it. Every change is written at once, whole: a reader never sees half of it."""

    def __init__(self, file: Path, fixed: Mapping[str, Any], settings_digest: str = "") -> None:
        self._file = file
        self._digest = settings_digest
        self._lock = threading.Lock()
        self._fields: dict[str, Any] = {
            "schema": SCHEMA,
            **fixed,
            "state": "queued",
            "phase": "launching",
            "detail": "",
            "since": time.time(),
            "starts": 0,
            "starts_in_interval": 0,
            "next_start_at": None,
            # A container that comes back, perhaps out of starts already, must still say why its engine ended.
            "last_end": _last_end(file),
            "start_s": None,
            "lock_wait_s": None,
            "lock_holder": None,
            "reported": {},
        }
        self._ends: Counter[str] = Counter()
        self.is_healthy = True
        self.stalled_s = 0.0
        # Until then the file says what was true before the container stopped.
        self._write()

    def __getitem__(self, name: str) -> Any:
        with self._lock:
            return self._fields[name]

    def set(self, **changes: Any) -> None:
        """Change fields and write the file, if anything is new; `since` follows the state."""
        with self._lock:
            if all(self._fields[name] == value for name, value in changes.items()):
                return
            if changes.get("state", self._fields["state"]) != self._fields["state"]:
                changes["since"] = time.time()
            self._fields.update(changes)
            self._write()

    def ended(self, end: Mapping[str, Any]) -> None:
        """Record an end and count its cause."""
        self._ends[str(end["cause"])] += 1
        self.set(last_end=dict(end))

    @property
    def serves(self) -> bool:
        """Whether the engine has answered and still says that it is well."""
        return bool(self["state"] == "running" and self.is_healthy)

    def metrics(self) -> str:
        """Return the page that Prometheus reads."""
        with self._lock:
            fields, ends = dict(self._fields), dict(self._ends)
        last = fields["last_end"] or {"cause": ""}
        rows: list[usage.Row] = [
            ("gauge", "hearth_engine_state", {"state": state}, fields["state"] == state) for state in STATES
        ]
        rows += [
            ("gauge", "hearth_engine_state_since_seconds", {}, fields["since"]),
            # A deploy changes it, a mere restart doesn't.
            ("gauge", "hearth_engine_settings_info", {"digest": self._digest}, 1),
            ("counter", "hearth_engine_starts_total", {}, fields["starts"]),
            ("gauge", "hearth_engine_starts_in_interval", {}, fields["starts_in_interval"]),
            ("gauge", "hearth_engine_stalled_seconds", {}, self.stalled_s),
        ]
        rows += [("counter", "hearth_engine_ends_total", {"cause": cause}, ends[cause]) for cause in sorted(ends)]
        if last["cause"]:
            rows.append(("gauge", "hearth_engine_last_end_info", {"cause": last["cause"]}, 1))
        for field, name in (
            ("start_s", "hearth_engine_start_seconds"),
            ("lock_wait_s", "hearth_engine_lock_wait_seconds"),
        ):
            rows += [("gauge", name, {}, fields[field])] if fields[field] is not None else []
        for key, (name, factor) in _REPORTED.items():
            rows += [("gauge", name, {}, fields["reported"][key] * factor)] if key in fields["reported"] else []
        return _page([*rows, *usage.rows()])

    def _write(self) -> None:
        replace_text(self._file, json.dumps(self._fields))


def _last_end(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["last_end"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found if isinstance(found, dict) and "cause" in found else None


def _page(rows: list[usage.Row]) -> str:
    lines, known = [], set()
    for kind, name, labels, value in rows:
        if name not in known:
            known.add(name)
            lines.append(f"# TYPE {name} {kind}")
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        # Ten digits would blur a moment of this century, and the bytes of a large host.
        lines.append(f"{name}{{{inside}}} {float(value):.15g}" if inside else f"{name} {float(value):.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def serve(status: Status, port: int) -> http.server.ThreadingHTTPServer:
    """Answer /health (200 while it serves, else 503) and /metrics on a thread. Logs stay out: they may hold prompts."""

    class Answers(http.server.BaseHTTPRequestHandler):
        # A client that says nothing mustn't keep a thread for ever.
        timeout = _SILENCE_S

        def do_GET(self) -> None:
            if self.path == "/health":
                self._answer(200 if status.serves else 503, f"{status['state']}\n")
            elif self.path == "/metrics":
                self._answer(200, status.metrics())
            else:
                self._answer(404, "there are /health and /metrics\n")

        def _answer(self, code: int, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """A scrape every few seconds is no news."""

    server = http.server.ThreadingHTTPServer(("", port), Answers)
    threading.Thread(target=server.serve_forever, daemon=True, name="status").start()
    return server
