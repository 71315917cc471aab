"""Docker's restart policies in systemd's words."""

from __future__ import annotations

from typing import Any

from infra.adopt.service import Service
from infra.adopt.told import Told

_DEFAULT_STOP_S = 30


def restart_of(service: Service, told: Told) -> dict[str, Any]:
    """Return a restart promise that differs from Hearth's own, which is to come back always."""
    policy, _, number = service.restart.partition(":")
    found: dict[str, Any] = {}
    if policy == "no":
        told.change(
            service.name,
            "comes back after a crash and with the host; today it stays down (restart: {policy: no} keeps that)",
        )
    elif policy == "on-failure":
        found = {
            "policy": "on-failure",
            **({"start_limit_burst": int(number)} if number.isdigit() and int(number) else {}),
        }
    if service.stop_s is not None and service.stop_s != _DEFAULT_STOP_S:
        found["timeout_stop"] = f"{service.stop_s:g}s"
    return {"restart": found} if found else {}
