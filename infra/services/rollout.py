"""In which order a model's replicas are changed over the hosts, as Ansible's `serial` does for a play."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator

from infra.plan import Placement, Plan

_WHOLE: Final = 100


def _serial(value: object) -> object:
    if isinstance(value, str) and value.endswith("%"):
        share = value.removesuffix("%").strip()
        if not share.isdecimal() or not 1 <= int(share) <= _WHOLE:
            msg = f"{value!r} is no share of the hosts; write 1% to 100%"
            raise ValueError(msg)
        return f"{int(share)}%"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        msg = f"{value!r} is no number of hosts; write 1 or more, or a share as in 25%"
        raise ValueError(msg)
    return value


Serial = Annotated[int | str, BeforeValidator(_serial)]


def changed_before(placement: Placement, plan: Plan, serial: int | str) -> tuple[str, ...]:
    """Return the replicas on the hosts whose turn is just before this one's: they must be healthy first.

    Hosts take turns in the inventory's order, `serial` at a time.
    """
    engines = plan.of_model(placement.model)
    used = {engine.host for engine in engines}
    hosts = [row.name for row in plan.hosts if row.name in used]
    at_once = max(1, int(serial.removesuffix("%")) * len(hosts) // _WHOLE) if isinstance(serial, str) else serial
    turn = {host: number // at_once for number, host in enumerate(hosts)}
    return tuple(engine.instance for engine in engines if turn[engine.host] == turn[placement.host] - 1)
