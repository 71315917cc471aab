"""Measure the planner from 10 to 1,000 engines, and the start of `python -m infra plan`; write docs/benchmarks-plan.md.

Usage: `make bench-plan`. Needs no Docker and no network. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.fleet import CARDS_PER_HOST, crowded, fleet
from infra.config.schema import StackConfig
from infra.errors import Severity
from infra.plan import Plan, make_plan

ROOT: Final = Path(__file__).parents[1]
REPORT: Final = ROOT / "docs" / "benchmarks-plan.md"
SIZES: Final = (10, 30, 100, 300, 1000)
RUNS: Final = 7
STARTS: Final = 11
# Promises of the planner: a fleet of a thousand is a matter of seconds, and a plan costs little beside Python's start.
MOST_SECONDS: Final = 3.0
MOST_GROWTH: Final = 1.2
MOST_OF_IMPORTS: Final = 3.0
BASELINE: Final = ("-c", "import pydantic, yaml")
PLAN: Final = ("-m", "infra", "plan", "--stack", "prod")
# Prints what a plan loaded: the engine's SDK must not be among it, nor anything that speaks to a daemon.
LOADED: Final = (
    "import runpy, sys\n"
    "sys.argv = ['infra', 'plan', '--stack', 'prod']\n"
    "try: runpy.run_module('infra', run_name='__main__')\n"
    "except SystemExit: pass\n"
    "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
)
UNWANTED: Final = ("pulumi", "pulumi_docker", "grpc", "docker", "grafana_foundation_sdk")
_EXPLANATION: Final = (
    f"Fleets of hosts with {CARDS_PER_HOST} cards (H100-80GB, A100-80GB, L40S) and engines with tensor parallel 1, 2, 4 "
    "and 8, given and open fractions, replicas, groups and spread (bench/fleet.py). Every run starts with empty caches. "
    "*Short of hosts*: the same engines on a fifth fewer hosts, so that some find no place and the search for room runs "
    "until it gives up."
)
COLD: Final = (
    "import sys, time\n"
    "start = time.perf_counter()\n"
    "from bench.fleet import fleet\n"
    "from infra.plan import make_plan\n"
    "config = fleet({size})\n"
    "ready = time.perf_counter()\n"
    "make_plan(config, 'hearth', 'bench')\n"
    "print(time.perf_counter() - ready)\n"
)


@dataclass(frozen=True)
class Size:
    """One fleet's figures: seconds of plans with empty caches, of the same fleet short of hosts, and peak memory."""

    engines: int
    hosts: int
    seconds: tuple[float, ...]
    crowded_seconds: tuple[float, ...]
    crowded_unplaced: int
    peak_bytes: int

    @property
    def median_s(self) -> float:
        """The median of the plans."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Start:
    """One command: wall and processor seconds of its runs."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]


@dataclass(frozen=True)
class Figures:
    """Everything that was measured."""

    sizes: Sequence[Size]
    cold_s: float
    starts: Mapping[str, Start]
    unwanted: Sequence[str]

    @property
    def growth(self) -> float:
        """The exponent of the planner's time."""
        return exponent([size.engines for size in self.sizes], [size.median_s for size in self.sizes])

    @property
    def ratio(self) -> float:
        """Processor time of a plan in that of the baseline: wall time would measure the machine's other work, too."""
        return statistics.median(self.starts["plan"].cpu) / statistics.median(self.starts["baseline"].cpu)

    def broken_limits(self) -> Iterator[str]:
        """Yield every limit that a figure is above."""
        slowest = max(self.sizes[-1].median_s, self.cold_s)
        if slowest > MOST_SECONDS:
            yield f"{SIZES[-1]} engines take {slowest:.2f} s, more than {MOST_SECONDS:g}"
        if self.growth > MOST_GROWTH:
            yield f"time grows with n^{self.growth:.2f}, more than n^{MOST_GROWTH:g}"
        if self.ratio > MOST_OF_IMPORTS:
            yield f"a plan takes {self.ratio:.2f} times the imports of pydantic and yaml, more than {MOST_OF_IMPORTS:g}"
        if self.unwanted:
            yield f"a plan loads {', '.join(self.unwanted)}"


def main() -> int:
    """Measure, print and write the report."""
    figures = Figures(
        sizes=[measured(number) for number in SIZES],
        cold_s=float(run("-c", COLD.format(size=SIZES[-1])).stdout),
        starts=in_turn({"baseline": BASELINE, "plan": PLAN}, STARTS),
        unwanted=sorted(set(UNWANTED) & set(run("-c", LOADED).stderr.split())),
    )
    text = report(figures)
    print(text)
    REPORT.write_text(text, encoding="utf-8")
    return int(any(figures.broken_limits()))


def measured(engines: int) -> Size:
    """Plan a fleet several times, each time as the first plan of a process."""
    config, short = fleet(engines), crowded(engines)
    made = make_plan(config, "hearth", "bench")
    wrong = [str(finding) for finding in made.findings if finding.severity is Severity.ERROR]
    if wrong or len(made.placements) != engines:
        raise SystemExit(f"the fleet of {engines} engines doesn't fit: {wrong[:3]}")
    left_out = engines - len(make_plan(short, "hearth", "bench").placements)
    tracemalloc.start()
    forget()
    make_plan(config, "hearth", "bench")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seconds = tuple(timed(config) for _ in range(RUNS))
    crowded_seconds = tuple(timed(short) for _ in range(RUNS))
    print(f"  {engines} engines: {statistics.median(seconds):.3f} s", file=sys.stderr)
    return Size(engines, len(config.inventory.hosts), seconds, crowded_seconds, left_out, peak_bytes)


def timed(config: StackConfig) -> float:
    """Return the seconds of one plan with empty caches."""
    forget()
    gc.collect()
    start = time.perf_counter()
    keep(make_plan(config, "hearth", "bench"))
    return time.perf_counter() - start


def keep(plan: Plan) -> None:
    """Look at a plan, so that nothing of it can be left out."""
    if not plan.cards:
        raise SystemExit("a plan without cards")


def forget() -> None:
    """Empty every cache of the planner, the catalogue and the memory rules."""
    for function in caches():
        function()


def caches() -> Iterator[Callable[[], None]]:
    """Yield what empties each of them."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("infra.plan", "infra.memory", "infra.catalogue")):
            for value in list(vars(module).values()):
                empty = getattr(value, "cache_clear", None)
                if empty is not None:
                    yield empty


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return k of the fit seconds = a + b * size ** k to the measured figures, `a` being what any plan costs.

    What is constant (reading the catalogue) is taken off first: it would make growth look smaller than it is.
    """
    best = (math.inf, 0.0)
    for step in range(50, 251):
        k = step / 100
        powers = [size**k for size in sizes]
        # Least squares of the relative error, so that small fleets count as much as large ones.
        weights = [1 / second**2 for second in seconds]
        total = sum(weights)
        mean_x = sum(w * x for w, x in zip(weights, powers, strict=True)) / total
        mean_y = sum(w * y for w, y in zip(weights, seconds, strict=True)) / total
        slope = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in zip(weights, powers, seconds, strict=True))
        slope /= sum(w * (x - mean_x) ** 2 for w, x in zip(weights, powers, strict=True))
        base = mean_y - slope * mean_x
        wrong = sum(w * (base + slope * x - y) ** 2 for w, x, y in zip(weights, powers, seconds, strict=True))
        best = min(best, (wrong, k))
    return best[1]


def in_turn(commands: Mapping[str, tuple[str, ...]], rounds: int) -> Mapping[str, Start]:
    """Run each command once per round, after one round that isn't counted; a slower minute hits all of them."""
    wall: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    for counted in range(rounds + 1):
        for name, arguments in commands.items():
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            run(*arguments)
            took_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            if counted:
                wall[name].append(took_s)
                cpu[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {name: Start(tuple(wall[name]), tuple(cpu[name])) for name in commands}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository's root."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)


def report(measured: Figures) -> str:
    """Return the page."""
    broken = list(measured.broken_limits())
    machine = f"Python {platform.python_version()} on {os.cpu_count()} cores, {platform.machine()}"
    commands = (("baseline", (BASELINE[0], f'"{BASELINE[1]}"')), ("plan", PLAN))
    lines = [
        "# Benchmarks of the planner",
        "",
        f"Repeat with `make bench-plan`. {machine}; medians, in brackets the fastest and the slowest.",
        "",
        _EXPLANATION,
        "",
        f"| engines | hosts | cards | plan, s ({RUNS} runs) | peak, MiB | short of hosts, s | without a place |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *map(_row, measured.sizes),
        "",
        f"- Growth: time = a + b · n^**{measured.growth:.2f}** (limit {MOST_GROWTH:g}).",
        f"- {SIZES[-1]:,} engines as the first plan of a process: {measured.cold_s:.2f} s (limit {MOST_SECONDS:g} s).",
        "",
        f"| command ({STARTS} runs in turn) | processor, s | wall, s |",
        "|---|---:|---:|",
        *(
            f"| `python {' '.join(words)}` | {_seconds(measured.starts[name].cpu)} | "
            f"{_seconds(measured.starts[name].wall)} |"
            for name, words in commands
        ),
        "",
        (
            f"- A plan of the prod stack takes {measured.ratio:.2f} times the processor time of those imports "
            f"(limit {MOST_OF_IMPORTS:g})."
        ),
        f"- Of {', '.join(UNWANTED)} it loads {', '.join(measured.unwanted) or 'none'}.",
        "",
        f"**Broken**: {'; '.join(broken)}." if broken else "All limits hold.",
        "",
    ]
    return "\n".join(lines)


def _row(size: Size) -> str:
    return (
        f"| {size.engines:,} | {size.hosts} | {size.hosts * CARDS_PER_HOST:,} | {_seconds(size.seconds)} | "
        f"{size.peak_bytes / 2**20:.1f} | {_seconds(size.crowded_seconds)} | {size.crowded_unplaced} |"
    )


def _seconds(several: Sequence[float]) -> str:
    return f"{statistics.median(several):.3f} ({min(several):.3f} to {max(several):.3f})"


if __name__ == "__main__":
    sys.exit(main())
