"""The restart promise of an engine with nothing left open, and what in it can't work.

Defaults that the stack file leaves open:
- restart_sec 5 s: time for the driver to give back an ended process's memory; an engine that starts too early finds its
  own predecessor on the card ("0.41/79.18 GiB free", llm-d-incubation/llm-d-fast-model-actuation issue 709).
- restart_max_delay 5 min: the wait doubles from restart_sec up to it, as GPUStack's and the kubelet's back-off do; the
  growth is that of systemd's RestartSteps (254), which is geometric as well.
- start_limit_burst 5: systemd's (DefaultStartLimitBurst).
- start_limit_interval: systemd's 10 s can't be reached by a program that takes minutes to fail. So it is as long as
  `burst` starts that each use up their time to start, to stop and to wait: whatever dooms an engine, it is caught.
- watchdog_sec 5 min: vLLM itself gives up on a step after VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS, 300 s (vllm/envs.py).
- timeout_start: what the plan's own budget gives (infra/plan/start_budget.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from infra.config.restart import Restart
from infra.errors import Finding, Severity
from infra.memory.engine import EngineSpec
from infra.memory.parts import parameters
from infra.plan.start_budget import StartBudget, budget_text, minutes

RESTART_SEC_S: Final = 5.0
RESTART_MAX_DELAY_S: Final = 300.0
START_LIMIT_BURST: Final = 5
WATCHDOG_S: Final = 300.0
# Before its own parser refuses a flag, vllm has imported torch: no start fails faster than that.
_LEAST_FAILING_START_S: Final = 2.0
# Kernels that are compiled at their first use (Triton, DeepGEMM, FlashInfer) hold up the step that meets them first.
_LONGEST_GPU_STEP_S: Final = 60.0
# What one core of a server does with AVX2 and nothing better; with AMX it is ten times as much.
_CORE_FLOPS: Final = 2e10


@dataclass(frozen=True)
class Promise:
    """How one engine comes back, in seconds. 0 means off for `watchdog_s`, and no limit for `start_limit_interval_s`.

    The wait before restart n (from 1) is `min(restart_max_delay_s, restart_sec_s * 2 ** (n - 1))`.
    """

    policy: str
    restart_sec_s: float
    restart_max_delay_s: float
    start_limit_burst: int
    start_limit_interval_s: float
    watchdog_s: float
    timeout_start_s: float
    timeout_stop_s: float

    def delay_s(self, restart: int) -> float:
        """Return the wait before a restart; the first has number 1."""
        # 2 ** 30 times any wait is longer than the longest; beyond it the power would only overflow.
        return min(self.restart_max_delay_s, self.restart_sec_s * 2.0 ** min(30, restart - 1))


def promise_of(restart: Restart, budget: StartBudget, step_s: float = 0.0) -> Promise:
    """Resolve what is left open; `step_s` is the longest that one step of the engine may take.

    A wait longer than its own maximum is cut to that, as systemd does.
    """
    most = restart.restart_max_delay
    if most is None:
        most = max(RESTART_MAX_DELAY_S, restart.restart_sec or 0.0)
    burst = START_LIMIT_BURST if restart.start_limit_burst is None else restart.start_limit_burst
    timeout = budget.start_s if restart.timeout_start is None else restart.timeout_start
    interval = restart.start_limit_interval
    if interval is None:
        interval = burst * (timeout + restart.timeout_stop + most)
    return Promise(
        policy=restart.policy,
        restart_sec_s=min(most, RESTART_SEC_S if restart.restart_sec is None else restart.restart_sec),
        restart_max_delay_s=most,
        start_limit_burst=burst,
        start_limit_interval_s=interval,
        watchdog_s=max(WATCHDOG_S, 2 * step_s) if restart.watchdog_sec is None else restart.watchdog_sec,
        timeout_start_s=timeout,
        timeout_stop_s=restart.timeout_stop,
    )


def longest_step_s(spec: EngineSpec, cores: int | None = None) -> float:
    """Return how long one step of a healthy engine may take; `cores` are those of an engine on CPU."""
    if cores is None or spec.checkpoint.architecture is None:
        return _LONGEST_GPU_STEP_S
    # Two operations per parameter and token of the largest batch.
    operations = 2.0 * parameters(spec.checkpoint.architecture) * spec.batched_tokens
    return max(_LONGEST_GPU_STEP_S, operations / (max(1, cores) * _CORE_FLOPS))


def least_time_to_limit_s(promise: Promise) -> float:
    """Return the least time between the first start and the one that the limit refuses."""
    waits = sum(promise.delay_s(number) for number in range(1, promise.start_limit_burst + 1))
    return waits + promise.start_limit_burst * _LEAST_FAILING_START_S


def promise_findings(
    path: str, instance: str, restart: Restart, budget: StartBudget, step_s: float
) -> Iterable[Finding]:
    """Yield what people wrote that can't work; `path` is where the promise stands in the stack file."""
    promise = promise_of(restart, budget, step_s)
    if restart.policy == "no" and restart.start_limit_burst is not None:
        problem = f"{instance} has policy no, which never restarts, with a limit of {restart.start_limit_burst} starts"
        yield _warning(f"{path}.start_limit_burst", problem, "remove it, or set policy: on-failure or always")
    interval, least = promise.start_limit_interval_s, least_time_to_limit_s(promise)
    if restart.policy != "no" and 0 < interval <= least:
        waits = f"with its delays {promise.start_limit_burst} starts take {least:.0f} s at least"
        problem = f"{instance} can't reach its limit in {interval:g} s: {waits}, so it is restarted for ever"
        fix = f"leave it out, or set {minutes(max(2 * least, 60.0)).replace(' ', '')} or more; 0 says that no limit is meant"
        yield _warning(f"{path}.start_limit_interval", problem, fix)
    if restart.restart_max_delay is not None and restart.restart_max_delay < (restart.restart_sec or 0.0):
        problem = (
            f"{restart.restart_max_delay:g} s is less than restart_sec {restart.restart_sec:g} s, which is cut to it"
        )
        yield _warning(f"{path}.restart_max_delay", problem, "make it the longer one, or leave it out (5min)")
    if restart.watchdog_sec is not None and 0 < restart.watchdog_sec < step_s:
        problem = (
            f"{instance} may take {step_s:.0f} s for one step, and counts as hung after {restart.watchdog_sec:g} s"
        )
        yield _warning(f"{path}.watchdog_sec", problem, f"set {step_s:.0f}s or more, or leave it out (5min)")
    if restart.timeout_start is not None and restart.timeout_start < budget.start_s:
        problem = f"{instance} may take {minutes(budget.start_s)} to start ({budget_text(budget)})"
        fix = f"set {minutes(budget.start_s).replace(' ', '')}, leave it out, or keep it if a start was measured"
        yield _warning(f"{path}.timeout_start", f"{problem}, and is given {restart.timeout_start:g} s", fix)


def _warning(path: str, problem: str, fix: str) -> Finding:
    return Finding(path, problem, fix, Severity.WARNING)
