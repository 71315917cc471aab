"""A container's life: made, given its files, started, waited for, updated, removed."""

import io
import struct
import tarfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .container_forms import upload_mode
from .daemon import Daemon, DaemonError, UnreachableError, segment
from .network import found, write_all
from .properties import Call, Inspect, Property
from .remote_image import pull
from .values import Properties

LOG_LINES = 15
"""Last lines of a dead container's log that are shown."""

POLL_S = 0.25
"""How often a container's health is looked at."""

SHOW_S = 5.0
"""How often a long wait is shown."""

MAKE_S = 300.0
"""Longest wait for a slow disk while a container is made, started or removed."""


class NotReadyError(Exception):
    """The container is there, but not in the state that was asked for."""


class ContainerLife:
    """The part of the container's resource type that is no table."""

    table: Mapping[str, Property]

    def inspect(self, daemon: Daemon, ident: str, known: Properties) -> Inspect | None:  # noqa: ARG002 - as in Resource
        """See Resource."""
        return found(daemon, _path(ident, "json"))

    def ident(self, seen: Inspect, known: Properties) -> str:  # noqa: ARG002 - as in Resource
        """See Resource."""
        return str(seen["Id"])

    def create(self, daemon: Daemon, wanted: Properties, call: Call) -> str:
        """See Resource. A container that can't be prepared or started is removed again, so that the next try starts clean."""
        body: dict[str, Any] = {"HostConfig": {"Init": False}}
        write_all(self.table, wanted, body)
        ident = _make(daemon, str(wanted["name"]), body, call)
        try:
            _connect(daemon, ident, wanted)
            for upload in wanted.get("uploads") or []:
                daemon.call("PUT", _path(ident, "archive"), {"path": "/"}, _archive(upload), silence_s=MAKE_S)
            if wanted.get("start", True):
                daemon.call("POST", _path(ident, "start"), silence_s=MAKE_S)
        except BaseException:
            with suppress(DaemonError, UnreachableError):
                daemon.call("DELETE", _path(ident), {"force": 1, "v": 1}, silence_s=MAKE_S)
            raise
        return ident

    def settle(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource. Waits for health where `wait` asks for it; raises NotReadyError as soon as that can't come any more."""
        if not wanted.get("wait") or not wanted.get("start", True):
            return
        limit_s = min(float(wanted.get("waitTimeout", 60)), call.limit_s() or float("inf"))
        began = shown = time.monotonic()
        while True:
            seen = found(daemon, _path(ident, "json")) or {}
            state: dict[str, Any] = seen.get("State") or {}
            waited_s = time.monotonic() - began
            if problem := _hopeless(state) or (_late(seen, limit_s) if waited_s > limit_s else ""):
                raise NotReadyError(f"{wanted['name']}: {problem}{_tail(daemon, ident)}")
            if state["Health"]["Status"] == "healthy":
                return
            call.check_cancelled()
            if time.monotonic() - shown > SHOW_S:
                shown = time.monotonic()
                call.progress(f"waiting for its health check, {waited_s:.0f} of {limit_s:.0f} s")
            time.sleep(POLL_S)

    def update(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:  # noqa: ARG002 - as in Resource
        """See Resource."""
        full: dict[str, Any] = {"HostConfig": {}}
        write_all(self.table, {name: wanted[name] for name in _IN_PLACE if name in wanted}, full)
        body: dict[str, Any] = full["HostConfig"]
        if body.get("Memory"):
            # The daemon refuses a memory above the swap bound it has, so both travel together; twice the memory is its own choice.
            body.setdefault("MemorySwap", 2 * body["Memory"])
        seen = found(daemon, _path(ident, "json"))
        if seen is None:
            raise NotReadyError(f"{wanted['name']}: was removed by hand. Run pulumi up --refresh.")
        daemon.call("POST", _path(ident, "update"), body=body)
        if not seen["State"]["Running"] and wanted.get("mustRun", True) and wanted.get("start", True):
            daemon.call("POST", _path(ident, "start"), silence_s=MAKE_S)

    def delete(self, daemon: Daemon, ident: str, known: Properties, call: Call) -> None:  # noqa: ARG002 - as in Resource
        """See Resource. Without destroyGraceSeconds the container is killed at once, as by the official plugin."""
        grace_s = int(known.get("destroyGraceSeconds") or 0)
        try:
            daemon.call("POST", _path(ident, "stop"), {"t": grace_s}, silence_s=MAKE_S + grace_s)
            daemon.call(
                "DELETE", _path(ident), {"force": 1, "v": int(known.get("removeVolumes", True))}, silence_s=MAKE_S
            )
        except DaemonError as error:
            if error.status == 409 and "already in progress" in str(error):  # noqa: PLR2004 - HTTP's "conflict"
                _await_gone(daemon, ident)
            elif error.status != 404:  # noqa: PLR2004 - HTTP's "not found"
                raise


_IN_PLACE = ("restart", "maxRetryCount", "memory", "memoryReservation", "memorySwap", "cpuSet", "cpuShares")


def _path(ident: str, *rest: str) -> str:
    return "/".join(("/containers", segment(ident), *rest))


def _make(daemon: Daemon, name: str, body: dict[str, Any], call: Call) -> str:
    for last in (False, True):
        try:
            return str(daemon.call("POST", "/containers/create", {"name": name}, body, silence_s=MAKE_S)["Id"])
        except DaemonError as error:
            if last or error.status != 404 or "image" not in str(error).lower():  # noqa: PLR2004 - HTTP's "not found"
                raise
            pull(daemon, body["Image"], "", call)
    raise AssertionError


def _connect(daemon: Daemon, ident: str, wanted: Properties) -> None:
    """Joins the wanted networks in place of the default bridge, before the start."""
    endpoints = wanted.get("networksAdvanced") or []
    if not endpoints:
        return
    try:
        daemon.call("POST", "/networks/bridge/disconnect", body={"Container": ident})
    except DaemonError as error:
        if "is not connected" not in str(error):
            raise
    for endpoint in endpoints:
        address = {"IPv4Address": endpoint["ipv4Address"]} if endpoint.get("ipv4Address") else {}
        config = {"Aliases": endpoint.get("aliases") or [], "IPAMConfig": address}
        daemon.call(
            "POST",
            f"/networks/{segment(endpoint['name'])}/connect",
            body={"Container": ident, "EndpointConfig": config},
        )


def _archive(upload: Mapping[str, Any]) -> bytes:
    """One file as the tar archive that the daemon unpacks at the container's root; missing folders are made on the way."""
    content = str(upload["content"]).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        header = tarfile.TarInfo(str(upload["file"]).lstrip("/"))
        header.mode, header.size, header.mtime = upload_mode(dict(upload)), len(content), time.time()
        archive.addfile(header, io.BytesIO(content))
    return packed.getvalue()


def _hopeless(state: Mapping[str, Any]) -> str:
    """Why health can't come any more; empty while it can."""
    if not state:
        return "was removed while it was waited for"
    if "Health" not in state:
        return "has no health check, so `wait` can't tell when it is ready. Give it a healthcheck, or leave wait out"
    if state["Status"] in {"exited", "dead"}:
        reason = " (out of memory)" if state.get("OOMKilled") else ""
        return f"exited with code {state['ExitCode']}{reason} before it was healthy"
    return ""


def _late(seen: Inspect, limit_s: float) -> str:
    state = seen["State"]
    restarts = (
        f", restarted {seen['RestartCount']} times, last exit code {state['ExitCode']}"
        if seen.get("RestartCount")
        else ""
    )
    checks = state["Health"].get("Log") or []
    answer = f"; its last health check said: {' '.join(checks[-1]['Output'].split())[:300]}" if checks else ""
    return f"not healthy after {limit_s:.0f} s ({state['Health']['Status']}{restarts}{answer})"


def _tail(daemon: Daemon, ident: str) -> str:
    """The end of the log, where the reason mostly stands."""
    try:
        raw = daemon.call("GET", _path(ident, "logs"), {"stdout": 1, "stderr": 1, "tail": LOG_LINES}) or b""
    except DaemonError:
        return "."
    lines = _joined(raw).decode(errors="replace").splitlines()
    return ". Its last words:\n" + "\n".join("  " + line for line in lines) if lines else ". Its log is empty."


def _joined(raw: bytes) -> bytes:
    """The log without the daemon's frames: 8 bytes of stream and length before every piece."""
    pieces = []
    while len(raw) >= 8 and raw[0] in {0, 1, 2}:  # noqa: PLR2004 - the frame's head
        (length,) = struct.unpack(">I", raw[4:8])
        pieces.append(raw[8 : 8 + length])
        raw = raw[8 + length :]
    return b"".join(pieces) or raw


def _await_gone(daemon: Daemon, ident: str) -> None:
    give_up = time.monotonic() + MAKE_S
    while found(daemon, _path(ident, "json")) is not None and time.monotonic() < give_up:
        time.sleep(POLL_S)
