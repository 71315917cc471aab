"""docker:index/remoteImage:RemoteImage."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from .daemon import Daemon, DaemonError, segment
from .network import found
from .properties import Call, Inspect, Property, Rule
from .shapes import FLAG, SET, TEXT
from .values import Properties

STALL_S = 300.0
"""Longest silence of a registry during a pull."""

_MIB = 1 << 20


def _repo_digest(seen: Inspect, known: Properties) -> str:
    digests: list[str] = seen.get("RepoDigests") or []
    repository = split_reference(str(known.get("name", "")))[0]
    return next((digest for digest in digests if digest.startswith(repository + "@")), digests[0] if digests else "")


class RemoteImage:
    """An image: one that the daemon has is used as it is, without asking a registry; any other is pulled."""

    kind = "docker:index/remoteImage:RemoteImage"
    delete_before_replace = False
    table: Mapping[str, Property] = {
        "name": Property(TEXT, Rule.REPLACE, required=True),
        "keepLocally": Property(FLAG, Rule.STATE),
        "forceRemove": Property(FLAG, Rule.STATE),
        "platform": Property(TEXT, Rule.REPLACE),
        "pullTriggers": Property(SET, Rule.REPLACE),
        "imageId": Property(TEXT, Rule.OUTPUT, read=lambda seen, _known: seen["Id"]),
        "repoDigest": Property(TEXT, Rule.OUTPUT, read=_repo_digest),
    }

    def inspect(self, daemon: Daemon, ident: str, known: Properties) -> Inspect | None:
        """See Resource. An image is looked up by its reference: a moved tag is another image."""
        return found(daemon, f"/images/{segment(known.get('name') or ident)}/json")

    def ident(self, seen: Inspect, known: Properties) -> str:
        """See Resource. The reference behind the id is the official plugin's way."""
        return f"{seen['Id']}{known.get('name', '')}"

    def create(self, daemon: Daemon, wanted: Properties, call: Call) -> str:
        """See Resource."""
        name = str(wanted["name"])
        if found(daemon, f"/images/{segment(name)}/json") is None:
            pull(daemon, name, str(wanted.get("platform", "")), call)
        return name

    def settle(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource."""

    def update(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource."""

    def delete(self, daemon: Daemon, ident: str, known: Properties, call: Call) -> None:  # noqa: ARG002 - as in Resource
        """See Resource."""
        if known.get("keepLocally"):
            return
        try:
            daemon.call(
                "DELETE", f"/images/{segment(str(known['name']))}", {"force": int(bool(known.get("forceRemove")))}
            )
        except DaemonError as error:
            if error.status != 404:  # noqa: PLR2004 - HTTP's "not found"
                raise


def pull(daemon: Daemon, name: str, platform: str, call: Call) -> None:
    """Pulls an image with the daemon's own rights, reporting how far it is.

    Raises DaemonError when the registry refuses, or when nothing comes for STALL_S.
    """
    repository, version = split_reference(name)
    query = {"fromImage": repository, "tag": version} | ({"platform": platform} if platform else {})
    layers: dict[str, tuple[int, int]] = {}
    shown = time.monotonic()
    try:
        for line in _pull_lines(daemon, query):
            call.check_cancelled()
            detail: dict[str, Any] = line.get("progressDetail") or {}
            if line.get("status") == "Downloading" and detail.get("total"):
                layers[line["id"]] = (detail.get("current", 0), detail["total"])
            if layers and time.monotonic() > shown + 2:
                shown = time.monotonic()
                done, total = (sum(layer[index] for layer in layers.values()) for index in (0, 1))
                call.progress(f"pulling, {done / _MIB:,.0f} of {total / _MIB:,.0f} MiB known so far")
    except DaemonError as error:
        raise DaemonError(
            error.status, f"image {name}: is not on {daemon.host} and can't be pulled ({error})."
        ) from error


def _pull_lines(daemon: Daemon, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for line in daemon.lines("POST", "/images/create", query, silence_s=STALL_S):
        # The daemon has answered 200 long before the registry refuses a layer.
        if "error" in line:
            raise DaemonError(500, str(line["error"]))
        yield line


def split_reference(name: str) -> tuple[str, str]:
    """Repository and tag (or digest) of a reference; `latest` where it names neither."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        head, colon, tail = repository.rpartition(":")
        return (head if colon and "/" not in tail else repository), digest
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (name, "latest")
