"""docs/accuracy.md: the summary first, then every start."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from bench.comparison import TERMS, Compared
from bench.promises import Summary
from bench.recorded import FILES

_OUTCOMES: Final = ("started", "kv_too_small", "oom", "free_memory_error", "not stated")
_VERDICTS: Final = ("fits", "tight", "no", "unknown")
_STEPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.15, float("inf"))
_BAR: Final = 40
# The log rounds the pool to 0.01 GiB, and rounds tokens down to blocks.
_CUT_EXACT: Final = 0.01


def page(summary: Summary) -> str:
    """Return the whole page."""
    known = [row for row in summary.rows if row.is_known]
    others = [row for row in summary.rows if not row.is_known]
    lines = [
        "# Accuracy of the memory plan",
        "",
        "What `infra/memory` predicts for real starts of vLLM against what their logs say. The starts are in",
        "`bench/starts/` with their sources; `make accuracy` writes this page and fails when a promise is broken.",
        "The pool is the memory left for the KV cache.",
        "",
        "## Promises",
        "",
        *_promises(summary),
        "",
        "## The pool, where every input is known",
        "",
        *_pool(summary),
        "",
        "An input is known when the log, the command or the page names it, when it had its default there, or when the",
        "pool doesn't depend on it (`unknown_inputs` in `bench/recorded.py`). One series on an H100 gives most of these",
        "starts, so the last columns count each source once. How the errors spread:",
        "",
        "```text",
        *_chart(summary.pool_errors()),
        "```",
        "",
        "## Tokens, given the pool",
        "",
        "The layout of the cache alone: the tokens that the planner makes of the logged pool, against those logged.",
        "No card is needed for it, so starts with unknown cards count too.",
        "",
        *_cuts(summary),
        "",
        "## Logged figures inside the predicted bounds",
        "",
        "Bounds are made for nine of ten; starts with unknown inputs show how they hold where people know less.",
        "",
        *_coverage(summary, known),
        "",
        "## Verdicts against outcomes",
        "",
        "All starts that can be computed, those with unknown inputs among them.",
        "",
        *_confusion(summary),
        "",
        "## Every start with known inputs",
        "",
        "Predicted / logged, in GiB; * marks a logged figure outside the predicted bounds.",
        "",
        *_table(known),
        "",
        "## Starts with unknown inputs",
        "",
        "Not counted in the promise on the pool; their verdicts are counted above.",
        "",
        *_table([row for row in others if row.verdict is not None], reasons=True),
        "",
        "## Starts that can't be computed",
        "",
        *[f"- {row.start.id}: {'; '.join(row.unknown)}" for row in others if row.verdict is None],
        "",
    ]
    return "\n".join(lines)


def _promises(summary: Summary) -> list[str]:
    broken = summary.broken_promises()
    return [f"- BROKEN: {promise}" for promise in broken] or [
        "All hold: the pool's median error is at most 3 % and its largest 15 % where every input is known; no failed",
        "start is called `fits`; at most 5 % of real starts are called `no`.",
    ]


def _pool(summary: Summary) -> Iterable[str]:
    yield "| starts | pools compared | median error | largest error | sources | median of the sources' medians |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, file in (*((file, file) for file in FILES), ("both", None)):
        errors, sources = summary.pool_errors(file), summary.source_errors(file)
        if errors:
            one = f"| {name} | {len(errors)} | {statistics.median(errors):.2%} | {errors[-1]:.2%} |"
            yield f"{one} {len(sources)} | {statistics.median(sources):.2%} |"


def _cuts(summary: Summary) -> Iterable[str]:
    found = sorted((abs(row.cut), row.start.id) for row in summary.rows if row.cut is not None)
    far = [f"{name} ({error:.1%})" for error, name in found if error > _CUT_EXACT]
    yield f"{len(found)} starts: median error {statistics.median(error for error, _ in found):.3%}, "
    yield f"{len(found) - len(far)} within {_CUT_EXACT:.0%}. Farther: {', '.join(far) or 'none'}."


def _chart(errors: Sequence[float]) -> Iterable[str]:
    low = 0.0
    for high in _STEPS:
        count = sum(low <= error < high for error in errors)
        label = f"above {low:.0%}" if high == float("inf") else f"below {high:.2%}".replace(".00%", "%")
        bar = "#" * round(_BAR * count / max(1, len(errors)))
        yield f"{label:>12} {count:>4} {bar}".rstrip()
        low = high


def _coverage(summary: Summary, known: Sequence[Compared]) -> Iterable[str]:
    yield "| figure | every input known | all starts |"
    yield "| --- | --- | --- |"
    for term in TERMS:
        yield f"| {term} | {_share(*summary.coverage((term,), known))} | {_share(*summary.coverage((term,), summary.rows))} |"
    yield f"| together | {_share(*summary.coverage(TERMS, known))} | {_share(*summary.coverage(TERMS, summary.rows))} |"


def _share(inside: int, of: int) -> str:
    return f"{inside} of {of} ({inside / of:.0%})" if of else "none logged"


def _confusion(summary: Summary) -> Iterable[str]:
    yield f"| verdict | {' | '.join(_OUTCOMES)} |"
    yield f"| --- |{' --- |' * len(_OUTCOMES)}"
    for verdict in _VERDICTS:
        counts = [str(summary.confusion[verdict, outcome]) for outcome in _OUTCOMES]
        if any(count != "0" for count in counts):
            yield f"| {verdict} | {' | '.join(counts)} |"


def _table(rows: Sequence[Compared], *, reasons: bool = False) -> Iterable[str]:
    terms = [term for term in TERMS if term != "concurrency"]
    yield f"| start | vLLM | {' | '.join(terms)} | pool error | verdict, outcome |{' why not known |' if reasons else ''}"
    yield f"| --- | --- |{' --- |' * len(terms)} --- | --- |{' --- |' if reasons else ''}"
    for row in rows:
        cells = [_cell(row, term) for term in terms]
        error = f"{row.pool_error:+.1%}" if row.pool_error is not None else ""
        outcome = f"{row.verdict or 'none'}, {row.start.outcome or 'not stated'}"
        line = f"| {row.start.id} | {row.version} | {' | '.join(cells)} | {error} | {outcome} |"
        yield line + (f" {'; '.join(row.unknown)} |" if reasons else "")


def _cell(row: Compared, term: str) -> str:
    figure = next((figure for figure in row.figures if figure.term == term), None)
    if figure is None:
        return ""
    digits = 0 if term == "tokens" else 2
    mark = "" if figure.is_inside else " *"
    return f"{figure.predicted.value:.{digits}f} / {figure.logged:.{digits}f}{mark}"
