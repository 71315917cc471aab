"""The name that a model's replicas share, on one host or over several."""

from __future__ import annotations

from collections import Counter

from infra.plan import ENGINE_PORT, Plan
from infra.services.base import Context, Reach


def shared_names(context: Context) -> tuple[Reach, ...]:
    """Return what it takes to ask any replica of each model that has several, by name."""
    return tuple(
        Reach(name, ENGINE_PORT, hosts, _inside(name, hosts))
        for name, model in sorted(context.config.models.items())
        if model.replicas > 1 and (hosts := _hosts(name, context.plan))
    )


def aliases(model: str, plan: Plan) -> tuple[str, ...]:
    """Return the shared names of one of a model's replicas in its host's network.

    Over several hosts the model's own name is the relay's, which deals requests out to the hosts.
    """
    hosts = _hosts(model, plan)
    return (_inside(model, hosts),) if sum(hosts.values()) > 1 else ()


def _hosts(model: str, plan: Plan) -> dict[str, int]:
    return dict(Counter(placement.host for placement in plan.of_model(model)))


def _inside(model: str, hosts: dict[str, int]) -> str:
    return model if len(hosts) == 1 else f"{model}.here"
