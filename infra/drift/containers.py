"""A container as declared and as Docker inspects it: pure, one function for each aspect.

Docker adds things of its own (the image's environment, an alias that is the container's id, `CAP_` before a capability):
each function compares what was asked for, and what nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from infra.drift.difference import Wins
from infra.drift.form import form, limits, memory
from infra.drift.look import NOTHING, Arguments, Found, Inspected, apart

_SHOWN: Final = 200
_ID_DIGITS: Final = 12


def state(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """A container that doesn't run, or not well. A step has ended, which is as declared."""
    said: Mapping[str, Any] = seen["State"]
    if not declared["must_run"]:
        if said["Status"] == "exited" and said["ExitCode"]:
            yield "state", "ended well", f"ended with code {said['ExitCode']}", Wins.DECLARED
        return
    if said["Status"] == "paused":
        yield "state", "running", "paused (`docker unpause` ends it)", Wins.SEEN
    elif said["Status"] != "running":
        yield "state", "running", f"{said['Status']} (code {said['ExitCode']})", Wins.DECLARED
    elif said.get("Health", {}).get("Status") == "unhealthy":
        yield "state", "healthy", "unhealthy", Wins.SEEN


def environment(declared: Arguments, seen: Inspected, image: Inspected) -> Iterator[Found]:
    """Variables that differ from the declaration's and the image's; what nobody declared is told by name alone."""
    wanted = _variables((image.get("Config") or {}).get("Env")) | _variables(declared["envs"])
    there = _variables(seen["Config"].get("Env"))
    for name in sorted(wanted.keys() | there.keys()):
        if name not in there:
            yield f"environment {name}", wanted[name], NOTHING, Wins.SEEN
        elif name not in wanted:
            yield f"environment {name}", NOTHING, "set", Wins.SEEN
        elif wanted[name] != there[name]:
            yield f"environment {name}", wanted[name], "another value", Wins.SEEN


def labels(declared: Arguments, seen: Inspected, image: Inspected) -> Iterator[Found]:
    """Labels that are the declaration's, the image's, or nobody's."""
    wanted = dict((image.get("Config") or {}).get("Labels") or {})
    wanted |= {label["label"]: label["value"] for label in declared["labels"]}
    there = seen["Config"].get("Labels") or {}
    for name in sorted(wanted.keys() | there.keys()):
        if wanted.get(name) != there.get(name):
            yield f"label {name}", wanted.get(name, NOTHING), there.get(name, NOTHING), Wins.SEEN


def command(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """The program and its arguments."""
    wanted = [*declared["entrypoints"], *declared["command"]]
    there = [*(seen["Config"].get("Entrypoint") or ()), *(seen["Config"].get("Cmd") or ())]
    if wanted != there:
        yield "command", *apart(wanted, there), Wins.SEEN


def restart(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """The restart policy that the daemon has."""
    policy = seen["HostConfig"]["RestartPolicy"]
    wanted = (declared["restart"], declared.get("max_retry_count", 0))
    there = (policy["Name"] or "no", policy.get("MaximumRetryCount", 0))
    if wanted != there:
        yield "restart policy", _policy(wanted), _policy(there), Wins.DECLARED


def networks(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """The networks it is on, and the names it has there."""
    wanted = {network["name"]: set(network["aliases"]) for network in declared["networks_advanced"]}
    there = seen["NetworkSettings"]["Networks"] or {}
    # What has ended has no networks in some versions of the daemon.
    if not there and seen["State"]["Status"] != "running":
        return
    for name in sorted(wanted.keys() | there.keys()):
        if name not in there:
            yield f"network {name}", "attached", "not attached", Wins.SEEN
        elif name not in wanted:
            yield f"network {name}", NOTHING, "attached", Wins.SEEN
        else:
            # Docker adds the beginning of the id; clients, the container's name.
            known = set(there[name].get("Aliases") or ()) - {seen["Id"][:_ID_DIGITS], declared["name"]}
            missing, more = sorted(wanted[name] - known), sorted(known - wanted[name])
            if missing or more:
                yield f"network {name}", _called(missing), _called(more), Wins.SEEN


def mounts(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """Volumes and directories of the host, where they are and whether they can be written to."""
    wanted = {
        mount["container_path"]: (mount.get("volume_name") or mount.get("host_path"), bool(mount.get("read_only")))
        for mount in declared["volumes"]
    }
    there = {
        mount["Destination"]: (mount.get("Name") or mount.get("Source"), not mount.get("RW", True))
        for mount in seen.get("Mounts") or ()
        # What an image declares as a volume gets an anonymous one.
        if mount["Type"] == "bind" or mount["Destination"] in wanted or not _is_anonymous(mount)
    }
    for path in sorted(wanted.keys() | there.keys()):
        if wanted.get(path) != there.get(path):
            yield f"mount {path}", _mount(wanted.get(path)), _mount(there.get(path)), Wins.SEEN


def ports(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """Ports of the host that lead to it."""
    wanted = {f"{port['ip']}:{port['external']} -> {port['internal']}/{port['protocol']}" for port in declared["ports"]}
    there = {
        f"{bound['HostIp'] or '0.0.0.0'}:{bound['HostPort']} -> {inner}"  # noqa: S104 - Docker's word for any address
        for inner, bindings in (seen["HostConfig"].get("PortBindings") or {}).items()
        for bound in bindings or ()
    }
    if wanted != there:
        yield "published ports", ", ".join(sorted(wanted)) or "none", ", ".join(sorted(there)) or "none", Wins.SEEN


def cards(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """GPUs that it was given."""
    wanted = sorted(name for request in declared.get("device_requests", ()) for name in request["device_ids"])
    requests = seen["HostConfig"].get("DeviceRequests") or ()
    there = sorted(name for request in requests for name in request.get("DeviceIDs") or ("all",))
    if wanted != there:
        yield "cards", ", ".join(wanted) or "none", ", ".join(there) or "none", Wins.SEEN


def privileges(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """Rights of the kernel beyond those of any container."""
    host = seen["HostConfig"]
    wanted = {name.removeprefix("CAP_") for name in (declared.get("capabilities") or {}).get("adds", ())}
    there = {name.removeprefix("CAP_") for name in host.get("CapAdd") or ()}
    there |= {"privileged"} if host.get("Privileged") else set()
    if wanted != there:
        yield "privileges", ", ".join(sorted(wanted)) or "none", ", ".join(sorted(there)) or "none", Wins.SEEN


LOOKS: Final[tuple[Callable[[Arguments, Inspected, Inspected], Iterator[Found]], ...]] = (
    state,
    environment,
    labels,
    command,
    restart,
    memory,
    limits,
    networks,
    mounts,
    ports,
    cards,
    privileges,
    form,
)


def compare(declared: Arguments, seen: Inspected, image: Inspected, image_now: Inspected) -> Iterator[Found]:
    """Yield everything in which a container differs.

    `image` is the one it was made from, `image_now` what its declared reference means on its host by now.
    """
    if image_now and image_now["Id"] != seen["Image"]:
        yield "image", f"{declared['image']} ({_short(image_now['Id'])})", _short(seen["Image"]), Wins.DECLARED
    for look in LOOKS:
        for aspect, wanted, there, wins in look(declared, seen, image):
            yield aspect, wanted[:_SHOWN], there[:_SHOWN], wins


def _variables(written: Any) -> dict[str, str]:
    return dict(entry.split("=", 1) if "=" in entry else (entry, "") for entry in written or ())


def _policy(policy: tuple[str, int]) -> str:
    return f"{policy[0]}:{policy[1]}" if policy[1] else policy[0]


def _called(names: list[str]) -> str:
    return f"known as {', '.join(names)}" if names else "not known by that"


def _mount(mount: tuple[Any, bool] | None) -> str:
    return NOTHING if mount is None else f"{mount[0]}{' (read only)' if mount[1] else ''}"


def _is_anonymous(mount: Mapping[str, Any]) -> bool:
    name = str(mount.get("Name") or "")
    return len(name) == len("0" * 64) and all(letter in "0123456789abcdef" for letter in name)


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:_ID_DIGITS]
