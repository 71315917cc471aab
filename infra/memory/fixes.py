"""What to change when an engine doesn't start: every fix is tried by the planner before it is offered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from infra.memory.engine import Card, EngineSpec
from infra.memory.legality import legal_sizes
from infra.memory.verdict import COMFORT_BYTES, Judgement, Verdict, judge, with_fraction

# A share above this leaves no room for the CUDA context of the process itself.
_MOST_FRACTION: Final = 0.97
_FRACTION_STEP: Final = 0.01
_FEW_SEQUENCES: Final = (256, 128, 64, 32, 16, 8)
ROUND_CONTEXT: Final = 256
_SHORTEST_WORTH_OFFERING: Final = 1024
_MOST_FIXES: Final = 5
# Two hosts of eight.
_MOST_CARDS: Final = 16


@dataclass(frozen=True)
class Fix:
    """One change, as the edit to make, the flag of `vllm serve`, and what the planner says of the result."""

    change: str
    setting: str
    value: str
    verdict: Verdict
    tokens: int
    users: float
    spec: EngineSpec

    @property
    def text(self) -> str:
        """The change with its effect, on one line."""
        effect = f"{self.users:.1f} users of {self.spec.tokens:,} tokens" if self.tokens else "room for it"
        return f"{self.change} ({self.verdict}: {effect})"


@lru_cache(maxsize=2048)
def fixes_of(
    spec: EngineSpec,
    cards: tuple[Card, ...] = (),
    *,
    most_fraction: float = _MOST_FRACTION,
    most_cards: int = _MOST_CARDS,
) -> tuple[Fix, ...]:
    """Return single changes that make the engine start, the least costly first.

    `cards` are other kinds that the inventory has; `most_fraction` is what neighbours leave of the card, `most_cards`
    how many like it the engine could be split over.
    """
    before = judge(spec)
    if before.verdict not in {Verdict.NO, Verdict.TIGHT}:
        return ()
    found: list[Fix] = []
    for change, setting, value, changed in _candidates(spec, before, cards, most_fraction, most_cards):
        after = judge(changed)
        if after.verdict is Verdict.FITS and after.estimate is not None:
            figures = after.estimate
            found.append(
                Fix(
                    change,
                    setting,
                    value,
                    after.verdict,
                    int(figures.tokens.value),
                    figures.concurrency.value,
                    changed,
                )
            )
    return tuple(_distinct(found)[:_MOST_FIXES])


Candidate = tuple[str, str, str, EngineSpec]


def _candidates(
    spec: EngineSpec, before: Judgement, cards: Sequence[Card], most_fraction: float, most_cards: int
) -> Iterable[Candidate]:
    """Yield changes in the order of what they cost: nothing, some users, some context, speed, cards."""
    yield from _higher_fraction(spec, most_fraction)
    yield from _lower_fraction(spec)
    yield from _fewer_sequences(spec)
    yield from _smaller_batches(spec)
    if spec.kv_cache_dtype == "auto" and spec.element_bytes > 1 and _runs_fp8_cache(spec):
        yield "kv_cache_dtype: fp8", "kv_cache_dtype", "fp8", replace(spec, kv_cache_dtype="fp8")
    yield from _shorter_context(spec, before)
    if not spec.enforce_eager:
        yield "args.enforce-eager: true", "enforce_eager", "true", replace(spec, enforce_eager=True)
    yield from _combined(spec)
    yield from _more_cards(spec, most_cards // spec.parallel.pipeline)
    for card in cards:
        if card.memory.value > spec.card.memory.value and card.kind is not spec.card.kind:
            yield f"a card of {card.name}", "gpu", card.name, replace(spec, card=card)


def _higher_fraction(spec: EngineSpec, most: float) -> Iterable[Candidate]:
    share = spec.share
    while share + _FRACTION_STEP <= most + 1e-9:
        share = round(share + _FRACTION_STEP, 3)
        changed = with_fraction(spec, share)
        if judge(changed).verdict is Verdict.FITS:
            yield f"memory_fraction: {share:g}", "memory_fraction", f"{share:g}", changed
            return


def _lower_fraction(spec: EngineSpec) -> Iterable[Candidate]:
    share = spec.share
    for _ in range(30):
        share = round(share - _FRACTION_STEP, 3)
        if share <= 0:
            return
        changed = with_fraction(spec, share)
        verdict = judge(changed).verdict
        if verdict is Verdict.FITS:
            yield f"memory_fraction: {share:g}", "memory_fraction", f"{share:g}", changed
            return


def _fewer_sequences(spec: EngineSpec) -> Iterable[Candidate]:
    for number in _FEW_SEQUENCES:
        changed = replace(spec, max_sequences=number)
        if number < spec.sequences and judge(changed).verdict is Verdict.FITS:
            yield f"max_sequences: {number}", "max_sequences", str(number), changed
            return


def _smaller_batches(spec: EngineSpec) -> Iterable[Candidate]:
    tokens = 2048
    if spec.batched_tokens > tokens and spec.sequences <= tokens and spec.behaviour.engine == "V1":
        changed = replace(spec, max_batched_tokens=tokens)
        yield f"max_batched_tokens: {tokens}", "max_num_batched_tokens", str(tokens), changed


def _shorter_context(spec: EngineSpec, before: Judgement) -> Iterable[Candidate]:
    if before.estimate is None or before.estimate.layout is None:
        return
    layout, low = before.estimate.layout, before.estimate.pool.low - COMFORT_BYTES
    length = layout.longest_context(low, spec.batched_tokens, spec.tokens - 1)
    length -= length % ROUND_CONTEXT
    if length >= _SHORTEST_WORTH_OFFERING:
        yield f"context: {length}", "context", str(length), replace(spec, context=length)


def _combined(spec: EngineSpec) -> Iterable[Candidate]:
    """Yield the pair that most often helps where neither alone does: fewer requests and a shorter context."""
    few = min(spec.sequences, 64)
    changed = replace(spec, max_sequences=few)
    figures = judge(changed).estimate
    if figures is None or figures.layout is None:
        return
    length = figures.layout.longest_context(figures.pool.low - COMFORT_BYTES, spec.batched_tokens, spec.tokens - 1)
    length -= length % ROUND_CONTEXT
    if length >= _SHORTEST_WORTH_OFFERING:
        change = f"context: {length} with max_sequences: {few}"
        yield change, "context,max_sequences", f"{length},{few}", replace(changed, context=length)


def _more_cards(spec: EngineSpec, most: int) -> Iterable[Candidate]:
    for size in legal_sizes(spec):
        if not spec.parallel.tensor < size <= most:
            continue
        changed = replace(spec, parallel=replace(spec.parallel, tensor=size))
        if judge(changed).verdict is Verdict.FITS:
            yield f"tensor_parallel: {size}", "tensor_parallel", str(size), changed
            return


def _runs_fp8_cache(spec: EngineSpec) -> bool:
    kind = spec.card.kind
    return kind is None or kind.runs_fp8


def _distinct(found: Iterable[Fix]) -> list[Fix]:
    """Leave out what another fix already says: two changes where one of them suffices."""
    kept: list[Fix] = []
    for fix in found:
        parts = set(fix.setting.split(","))
        if len(parts) > 1 and any(other.setting in parts for other in kept):
            continue
        if all(fix.change != other.change for other in kept):
            kept.append(fix)
    return kept
