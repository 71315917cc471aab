"""docker:index/network:Network."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from .daemon import Daemon, DaemonError, segment
from .properties import Call, Inspect, Property, Rule, at
from .shapes import FLAG, LABELS, TEXT, TEXTS, ListOf, Record
from .values import Properties

BUSY_S = 30.0
"""How long a network or volume that is still in use is waited for, as in the official plugin: containers go just before it."""

_POOL = Record({"subnet": TEXT, "ipRange": TEXT, "gateway": TEXT, "auxAddress": TEXTS})
_POOL_KEYS = {"subnet": "Subnet", "ipRange": "IPRange", "gateway": "Gateway", "auxAddress": "AuxiliaryAddresses"}


def labels_to(labels: list[dict[str, str]]) -> dict[str, str]:
    """Labels as the daemon wants them."""
    return {label["label"]: label["value"] for label in labels}


def labels_back(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Labels as the schema has them."""
    return [{"label": key, "value": value} for key, value in sorted(labels.items())]


def _pools_to(pools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{_POOL_KEYS[key]: value for key, value in pool.items() if value} for pool in pools]


def _pools_back(pools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: pool[theirs] for key, theirs in _POOL_KEYS.items() if pool.get(theirs)} for pool in pools]


def _row(path: str, rule: Rule = Rule.REPLACE, **more: Any) -> dict[str, Any]:
    write, read = at(path)
    return {"rule": rule, "write": write, "read": read, **more}


_write_labels, _read_labels = at("Labels", labels_to, labels_back)
_write_pools, _read_pools = at("IPAM.Config", _pools_to, _pools_back)


class Network:
    """A network; every change replaces it, and with it the containers that name it."""

    kind = "docker:index/network:Network"
    delete_before_replace = True
    table: Mapping[str, Property] = {
        "name": Property(TEXT, **_row("Name", required=True)),
        "driver": Property(TEXT, **_row("Driver", computed=True)),
        "labels": Property(LABELS, Rule.REPLACE, write=_write_labels, read=_read_labels),
        "internal": Property(FLAG, **_row("Internal", computed=True)),
        "ipamDriver": Property(TEXT, **_row("IPAM.Driver", default="default")),
        "ipamConfigs": Property(ListOf(_POOL), Rule.REPLACE, write=_write_pools, read=_read_pools, computed=True),
        "options": Property(TEXTS, Rule.OUTPUT, read=at("Options")[1]),
        "scope": Property(TEXT, Rule.OUTPUT, read=at("Scope")[1]),
    }

    def inspect(self, daemon: Daemon, ident: str, known: Properties) -> Inspect | None:  # noqa: ARG002 - as in Resource
        """See Resource."""
        return found(daemon, f"/networks/{segment(ident)}")

    def ident(self, seen: Inspect, known: Properties) -> str:  # noqa: ARG002 - as in Resource
        """See Resource."""
        return str(seen["Id"])

    def create(self, daemon: Daemon, wanted: Properties, call: Call) -> str:  # noqa: ARG002 - as in Resource
        """See Resource."""
        # Without CheckDuplicate, daemons before API 1.44 make a second network of the same name, which no container can name any more.
        body: dict[str, Any] = {"CheckDuplicate": True}
        write_all(self.table, wanted, body)
        return str(daemon.call("POST", "/networks/create", body=body)["Id"])

    def settle(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource."""

    def update(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource."""

    def delete(self, daemon: Daemon, ident: str, known: Properties, call: Call) -> None:
        """See Resource."""
        path = f"/networks/{segment(ident)}"

        def users() -> list[str]:
            seen = found(daemon, path) or {}
            return [user["Name"] for user in (seen.get("Containers") or {}).values()]

        what = f"network {known.get('name', ident)}"
        remove_when_free(daemon, path, {}, call, what=what, users=users, busy_status=403)


def found(daemon: Daemon, path: str) -> Inspect | None:
    """What an inspect call answers; None when there is nothing at the path."""
    try:
        seen: Inspect = daemon.call("GET", path)
    except DaemonError as error:
        if error.status == 404:  # noqa: PLR2004 - HTTP's "not found"
            return None
        raise
    return seen


def write_all(table: Mapping[str, Property], wanted: Properties, body: dict[str, Any]) -> None:
    """Puts every given input into the body of a create call."""
    for name, row in table.items():
        if row.write is not None and wanted.get(name) is not None:
            row.write(body, wanted[name])


def remove_when_free(
    daemon: Daemon,
    path: str,
    query: Mapping[str, Any],
    call: Call,
    *,
    what: str,
    users: Callable[[], list[str]],
    busy_status: int,
) -> None:
    """Removes what containers may still be leaving; names those that stay.

    Raises DaemonError when it is still in use after BUSY_S.
    """
    give_up = time.monotonic() + BUSY_S
    while True:
        try:
            daemon.call("DELETE", path, query)
        except DaemonError as error:
            if error.status == 404:  # noqa: PLR2004 - HTTP's "not found"
                return
            if error.status != busy_status:
                raise
            if time.monotonic() > give_up:
                names = ", ".join(users()) or str(error)
                message = f"{what}: still in use after {BUSY_S:.0f} s ({names}). Remove those containers first."
                raise DaemonError(error.status, message) from None
            call.check_cancelled()
            time.sleep(0.5)
        else:
            return
