"""make_plan: which engine goes to which host and cards, with how much of them, and whether all of it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.memory.engine import EngineSpec
from infra.plan.calibration import NOTHING, Calibration
from infra.plan.cards import Slot, slots_of
from infra.plan.costs import break_even
from infra.plan.cpu_hosts import place_on_cpu
from infra.plan.findings import (
    engine_findings,
    host_findings,
    placement_findings,
    restart_findings,
    users_findings,
    version_findings,
)
from infra.plan.ledger import Tenant, ledger
from infra.plan.machine import CpuEngine, GpuEngine, HostRow, Machine, host_row
from infra.plan.needs import Need, needs_of
from infra.plan.pins import pin_neighbours
from infra.plan.plan import Plan
from infra.plan.search import Item, solve
from infra.plan.specs import Engines, Shared, engines_of, shm_bytes
from infra.plan.tenants import Wanted, instance_of, placement_of, settle

Previous = Mapping[str, tuple[str, tuple[str, ...]]]
__all__ = ["Previous", "instance_of", "make_plan"]


def make_plan(
    config: StackConfig,
    project: str,
    stack: str,
    *,
    shared: Shared | None = None,
    root: Path = Path(),
    previous: Previous | None = None,
    calibration: Calibration = NOTHING,
) -> Plan:
    """Place every engine, or say why it can't be placed. The same input gives the same plan.

    `shared` is what all engines have in common, `root` is where relative paths start, `previous` where engines were,
    `calibration` what was seen of engines that were started before.
    """
    engines = engines_of(config, shared or Shared(), root, calibration)
    slots = slots_of(config.inventory)
    wanted = _in_start_order(config)
    on_cards = [engine for engine in wanted if engine.model.device != "cpu"]
    items = _items(config, engines, slots, on_cards, previous or {})
    solution = solve(sorted(items, key=lambda item: -item.cards), slots)
    tenants, placements = settle(config, engines, on_cards, items, solution)
    cards = ledger(tenants, slots, _spare(slots, tenants))
    cards, placements = pin_neighbours(config, engines, tenants, cards, placements)
    on_cpu = place_on_cpu(config, engines, [engine for engine in wanted if engine.model.device == "cpu"])
    placements += [
        placement_of(config, engines, engine, spec, host=host, gpus=(), cause=cause)
        for engine, spec, host, cause in on_cpu
    ]
    placements.sort(key=lambda placement: (placement.model, placement.replica))
    hosts = _hosts(config, tenants, on_cpu)
    findings: list[Finding] = [
        *placement_findings(config, engines, slots, solution),
        *engine_findings(cards, hosts),
        *users_findings(config, cards, hosts),
        *host_findings(hosts, placements),
        *restart_findings(config, engines, placements, _specs(tenants, on_cpu)),
        *version_findings(engines, is_set="vllm" in config.images),
    ]
    plan = Plan(project, stack, engines.version, tuple(placements), cards, hosts, tuple(dict.fromkeys(findings)))
    return replace(plan, costs=break_even(config, plan), extends=config.extends)


def _specs(
    tenants: Sequence[Tenant], on_cpu: Sequence[tuple[Wanted, EngineSpec, str, str]]
) -> Mapping[str, EngineSpec]:
    on_cards = {tenant.instance: tenant.spec for tenant in tenants}
    return on_cards | {engine.instance: spec for engine, spec, _, _ in on_cpu}


def _spare(slots: Mapping[str, Sequence[Slot]], tenants: Sequence[Tenant]) -> tuple[Slot, ...]:
    """Return one card of each kind that no engine is on, for fixes that name another card."""
    used = {slot for tenant in tenants for slot in tenant.place}
    free = {id(slot.card): slot for several in slots.values() for slot in several if slot not in used}
    return tuple(free.values())


def _hosts(
    config: StackConfig, tenants: Sequence[Tenant], on_cpu: Sequence[tuple[Wanted, EngineSpec, str, str]]
) -> tuple[HostRow, ...]:
    cpu: dict[str, list[CpuEngine]] = {}
    for engine, spec, host, _ in on_cpu:
        model = engine.model
        cpu.setdefault(host, []).append(CpuEngine(engine.instance, engine.name, spec, model.cores, model.override))
    gpu: dict[str, list[GpuEngine]] = {}
    for tenant in tenants:
        shm = shm_bytes(config.models[tenant.model])
        gpu.setdefault(tenant.place[0].host, []).append(GpuEngine(tenant.spec, shm))
    return tuple(
        host_row(Machine(name, host, tuple(cpu.get(name, ())), tuple(gpu.get(name, ()))))
        for name, host in config.inventory.hosts.items()
    )


def _in_start_order(config: StackConfig) -> list[Wanted]:
    ordered: list[Wanted] = []
    waiting = dict(sorted(config.models.items()))
    while waiting:
        ready = [name for name, model in waiting.items() if not any(other in waiting for other in model.after)]
        for name in ready or list(waiting):
            model = waiting.pop(name)
            ordered += [Wanted(name, model, replica) for replica in range(model.replicas)]
    return ordered


def _items(
    config: StackConfig,
    engines: Engines,
    slots: Mapping[str, Sequence[Slot]],
    wanted: Sequence[Wanted],
    previous: Previous,
) -> list[Item]:
    kinds = {id(slot.card): slot.card for several in slots.values() for slot in several}
    needs: dict[str, Mapping[int, Need]] = {}
    hosts_of: dict[str | None, tuple[str, ...]] = {}
    items = []
    for engine in wanted:
        model = engine.model
        if engine.name not in needs:
            needs[engine.name] = needs_of({key: engines.spec(model, card) for key, card in kinds.items()}, model)
        if model.place not in hosts_of:
            names = config.inventory.members(model.place) if model.place else tuple(config.inventory.hosts)
            hosts_of[model.place] = tuple(name for name in names if slots[name])
        items.append(
            Item(
                instance=engine.instance,
                model=engine.name,
                hosts=hosts_of[model.place],
                cards=model.cards,
                needs=needs[engine.name],
                pinned=model.gpus[engine.replica * model.cards : (engine.replica + 1) * model.cards],
                apart=model.spread,
                wants_room=model.memory_fraction == "auto",
                previous=previous.get(engine.instance),
            )
        )
    return items
