"""What is settled once engines have their cards: fractions, contexts, causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.config.models import ModelServer
from infra.config.schema import StackConfig
from infra.memory.engine import EngineSpec
from infra.memory.estimate import estimate
from infra.memory.fixes import ROUND_CONTEXT
from infra.plan.cards import Slot
from infra.plan.fetching import is_fetched
from infra.plan.ledger import Tenant
from infra.plan.needs import DEALT_COMFORT_BYTES, Need
from infra.plan.plan import Placement
from infra.plan.restarts import longest_step_s, promise_of
from infra.plan.search import Item, Solution, is_linked
from infra.plan.shares import Claim, fraction_of, solve_shares
from infra.plan.specs import Engines, cores_for
from infra.plan.start_budget import start_budget


@dataclass(frozen=True, eq=False)
class Wanted:
    """One engine that is to be placed."""

    name: str
    model: ModelServer
    replica: int

    @property
    def instance(self) -> str:
        """Its name: the model's own, or with a number where there are several."""
        return instance_of(self.name, self.replica, self.model.replicas)


def instance_of(model: str, replica: int, replicas: int) -> str:
    """Return the name of an engine: the model's own, or with a number where there are several."""
    return model if replicas == 1 else f"{model}-{replica}"


def settle(
    config: StackConfig,
    engines: Engines,
    wanted: Sequence[Wanted],
    items: Sequence[Item],
    solution: Solution,
) -> tuple[list[Tenant], list[Placement]]:
    """Decide fractions and contexts of the placed engines, in start order."""
    placed = [(engine, item) for engine, item in zip(wanted, items, strict=True) if item.instance in solution.places]
    claims = []
    capacity: dict[tuple[str, str], float] = {}
    for _, item in placed:
        place = solution.places[item.instance]
        need = item.need(place[0]) or Need(0.0, 0.0, 0.0, 0.0, is_fixed=True)
        claims.append(Claim(item.instance, tuple((slot.host, slot.id) for slot in place), need))
        capacity |= {(slot.host, slot.id): slot.dealt_bytes for slot in place}
    shares = solve_shares(claims, capacity)
    tenants: list[Tenant] = []
    placements: list[Placement] = []
    last_on: dict[Slot, str] = {}
    for engine, item in placed:
        place = solution.places[item.instance]
        spec = _settled(engines.spec(engine.model, place[0].card), engine.model, shares[item.instance])
        least = item.need(place[0])
        tenants.append(
            Tenant(
                item.instance,
                item.model,
                spec,
                place,
                engine.model.override,
                least_bytes=least.occupied_bytes if least is not None else 0.0,
                is_pinned=bool(item.pinned),
            )
        )
        placements.append(
            placement_of(
                config,
                engines,
                engine,
                spec,
                host=place[0].host,
                gpus=tuple(slot.id for slot in place),
                cause=_cause(item, place, solution),
                neighbours=tuple(sorted({last_on[slot] for slot in place if slot in last_on})),
            )
        )
        last_on |= dict.fromkeys(place, item.instance)
    return tenants, placements


def _settled(spec: EngineSpec, model: ModelServer, share_bytes: float) -> EngineSpec:
    if spec.fraction is None:
        fraction = fraction_of(share_bytes, max(1.0, spec.card.memory.value))
        spec = replace(spec, fraction=max(0.001, fraction))
    return replace(spec, context=_longest(spec, model.users)) if model.context == "auto" else spec


def _longest(spec: EngineSpec, users: int) -> int | None:
    """Return the longest context with which so many full-length requests fit surely; None for an unknown model."""
    architecture, figures = spec.checkpoint.architecture, estimate(spec)
    if architecture is None or figures is None or figures.layout is None:
        return None
    most = architecture.default_context
    pool = (figures.pool.low - DEALT_COMFORT_BYTES) / users
    length = figures.layout.longest_context(pool, spec.batched_tokens, most)
    return max(16, length if length == most else length - length % ROUND_CONTEXT)


def _cause(item: Item, place: tuple[Slot, ...], solution: Solution) -> str:
    if item.pinned:
        cause = "cards as asked"
    elif item.instance in solution.moved and item.previous is not None:
        host, names = item.previous
        cause = f"moved from {host} [{', '.join(names)}]: there is no room for all without"
    elif item.previous == (place[0].host, tuple(slot.id for slot in place)):
        cause = "stays where it was"
    elif item.wants_room:
        cause = "emptiest card that suits" if item.cards == 1 else f"emptiest {item.cards} that suit"
    else:
        cause = "first card with room" if item.cards == 1 else f"first {item.cards} with room"
    if item.cards > 1:
        cause += ", linked by NVLink" if is_linked(place) else ", exchange over PCIe"
    return cause


def placement_of(
    config: StackConfig,
    engines: Engines,
    engine: Wanted,
    spec: EngineSpec,
    *,
    host: str,
    gpus: tuple[str, ...],
    cause: str,
    neighbours: tuple[str, ...] = (),
) -> Placement:
    """Return what is decided of an engine; `neighbours` are those that started before it on its cards."""
    model = engine.model
    declared = tuple(
        instance_of(other, number, config.models[other].replicas)
        for other in model.after
        if other in config.models
        for number in range(config.models[other].replicas)
    )
    budget = start_budget(spec, model, engines.root, is_fetched=engines.fetches and is_fetched(model))
    restart, _ = engines.promise_source(engine.name, model)
    promise = promise_of(restart, budget, longest_step_s(spec, cores_for(config, model, host)))
    return Placement(
        model=engine.name,
        replica=engine.replica,
        instance=engine.instance,
        host=host,
        gpus=gpus,
        cpu_set=model.cores,
        memory_fraction=spec.fraction if gpus else None,
        kv_cache_bytes=model.kv_cache,
        context=spec.context,
        # Engines on one card start one after the other: two that measure it at once take each other's memory for theirs.
        after=tuple(dict.fromkeys((*declared, *(name for name in neighbours if name not in declared)))),
        start_timeout_s=promise.timeout_start_s,
        restart=promise,
        start=budget,
        cause=cause,
    )
