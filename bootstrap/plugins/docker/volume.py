"""docker:index/volume:Volume."""

import json
from collections.abc import Mapping

from .daemon import Daemon, segment
from .network import found, labels_back, labels_to, remove_when_free, write_all
from .properties import Call, Inspect, Property, Rule, at
from .shapes import LABELS, TEXT
from .values import Properties

_write_name, _read_name = at("Name")
_write_driver, _read_driver = at("Driver")
_write_labels, _read_labels = at("Labels", labels_to, labels_back)


class Volume:
    """A named volume; every change replaces it, which loses its data: Hearth protects them."""

    kind = "docker:index/volume:Volume"
    delete_before_replace = True
    table: Mapping[str, Property] = {
        "name": Property(TEXT, Rule.REPLACE, write=_write_name, read=_read_name, required=True),
        "driver": Property(TEXT, Rule.REPLACE, write=_write_driver, read=_read_driver, computed=True),
        "labels": Property(LABELS, Rule.REPLACE, write=_write_labels, read=_read_labels),
        "mountpoint": Property(TEXT, Rule.OUTPUT, read=at("Mountpoint")[1]),
    }

    def inspect(self, daemon: Daemon, ident: str, known: Properties) -> Inspect | None:  # noqa: ARG002 - as in Resource
        """See Resource."""
        return found(daemon, f"/volumes/{segment(ident)}")

    def ident(self, seen: Inspect, known: Properties) -> str:  # noqa: ARG002 - as in Resource
        """See Resource."""
        return str(seen["Name"])

    def create(self, daemon: Daemon, wanted: Properties, call: Call) -> str:  # noqa: ARG002 - as in Resource
        """See Resource."""
        body: dict[str, object] = {}
        write_all(self.table, wanted, body)
        return str(daemon.call("POST", "/volumes/create", body=body)["Name"])

    def settle(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource."""

    def update(self, daemon: Daemon, ident: str, wanted: Properties, call: Call) -> None:
        """See Resource."""

    def delete(self, daemon: Daemon, ident: str, known: Properties, call: Call) -> None:  # noqa: ARG002 - as in Resource
        """See Resource."""

        def users() -> list[str]:
            filters = json.dumps({"volume": [ident]})
            containers = daemon.call("GET", "/containers/json", {"all": 1, "filters": filters})
            return [container["Names"][0].removeprefix("/") for container in containers]

        path = f"/volumes/{segment(ident)}"
        remove_when_free(daemon, path, {"force": 1}, call, what=f"volume {ident}", users=users, busy_status=409)
