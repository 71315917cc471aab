"""When own cards pay off: what an engine's share of its host costs, against the price of a hosted API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from infra.config.models import ApiPrice
from infra.config.schema import StackConfig
from infra.plan.plan import BreakEven, Plan

_HOURS_PER_DAY: Final = 24
_SECONDS_PER_DAY: Final = 86_400
# Prompts are longer than answers: three tokens of prompt to one of answer, as price comparisons of APIs assume.
_INPUT_SHARE: Final = 0.75
_MILLION: Final = 1e6


def break_even(config: StackConfig, plan: Plan) -> tuple[BreakEven, ...]:
    """Return a row for every model with an api_price on hosts with a cost_per_hour."""
    rows = []
    for name, model in sorted(config.models.items()):
        if model.api_price is None:
            continue
        cost = _cost_per_day(config, plan, name)
        if cost is None:
            continue
        price = _blended(model.api_price)
        millions = cost / price if price > 0 else None
        rate = millions * _MILLION / _SECONDS_PER_DAY if millions is not None else None
        rows.append(BreakEven(name, cost, price, millions, rate))
    return tuple(rows)


def costs_text(rows: Sequence[BreakEven]) -> str:
    """Return the table as text; empty without rows."""
    if not rows:
        return ""
    lines = [
        "break-even, 3 tokens of prompt to 1 of answer",
        f"  {'model':<20}{'cost/day':>12}{'API per 1M':>13}{'pays from':>30}",
    ]
    for row in rows:
        when = "never: the API is free"
        if row.million_tokens_per_day is not None and row.tokens_per_s is not None:
            when = f"{row.million_tokens_per_day:,.1f}M tokens/day ({row.tokens_per_s:,.0f}/s)"
        lines.append(f"  {row.model:<20}{row.cost_per_day:>12,.2f}{row.api_price_per_million:>13,.2f}{when:>30}")
    return "\n".join(lines)


def _blended(price: ApiPrice) -> float:
    return price.input * _INPUT_SHARE + price.output * (1 - _INPUT_SHARE)


def _cost_per_day(config: StackConfig, plan: Plan, model: str) -> float | None:
    """Return the model's part of its hosts: the share it asks of each card, or of the host's engines on CPU."""
    cost = 0.0
    placements = plan.of_model(model)
    for placement in placements:
        host = config.inventory.hosts[placement.host]
        if host.cost_per_hour is None:
            return None
        if placement.gpus:
            part = (placement.memory_fraction or 1.0) * len(placement.gpus) / max(1, len(host.gpus))
        else:
            part = 1 / sum(1 for other in plan.placements if other.host == placement.host)
        cost += host.cost_per_hour * _HOURS_PER_DAY * part
    return cost if placements else None
