from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config.restart import Restart
from infra.errors import Finding, Severity
from infra.plan import Plan, Shared, make_plan
from infra.plan.restarts import least_time_to_limit_s, promise_findings, promise_of
from infra.plan.start_budget import StartBudget
from tests.unit.plan.stacks import config_of, engine, host, planned

BUDGET = StartBudget(download_s=3600.0, load_s=300.0, compile_s=360.0, warm_s=240.0)
DURATION = st.one_of(st.none(), st.floats(0, 1e5))
RESTARTS = st.builds(
    Restart,
    policy=st.sampled_from(["no", "on-failure", "always"]),
    restart_sec=DURATION,
    restart_max_delay=DURATION,
    start_limit_burst=st.one_of(st.none(), st.integers(1, 100)),
    start_limit_interval=DURATION,
    watchdog_sec=DURATION,
    timeout_start=DURATION,
    timeout_stop=st.floats(0, 1e4),
)


def found(step_s: float = 60.0, **fields: Any) -> dict[str, Finding]:
    findings = list(promise_findings("hearth:restart", "chat", Restart(**fields), BUDGET, step_s))
    assert all(finding.severity is Severity.WARNING for finding in findings)
    return {finding.path.removeprefix("hearth:restart."): finding for finding in findings}


def test_everything_that_is_left_open_is_resolved() -> None:
    promise = promise_of(Restart(), BUDGET)
    assert vars(promise) == {
        "policy": "always",
        "restart_sec_s": 5.0,
        "restart_max_delay_s": 300.0,
        "start_limit_burst": 5,
        "start_limit_interval_s": 5 * (900.0 + 30.0 + 300.0),
        "watchdog_s": 300.0,
        "timeout_start_s": 900.0,
        "timeout_stop_s": 30.0,
    }


def test_what_is_written_wins() -> None:
    written = {
        "policy": "on-failure",
        "restart_sec": 7.0,
        "restart_max_delay": 70.0,
        "start_limit_burst": 3,
        "start_limit_interval": 0.0,
        "watchdog_sec": 0.0,
        "timeout_start": 1.5,
        "timeout_stop": 12.0,
    }
    promise = promise_of(Restart.model_validate(written), BUDGET, step_s=1e6)
    assert tuple(vars(promise).values()) == tuple(written.values())


def test_waits_double_up_to_the_longest() -> None:
    promise = promise_of(Restart(), BUDGET)
    assert [promise.delay_s(number) for number in (1, 2, 3, 6, 7, 8, 5000)] == [5, 10, 20, 160, 300, 300, 300]


@given(restart=RESTARTS)
def test_a_promise_is_always_in_order(restart: Restart) -> None:
    promise = promise_of(restart, BUDGET)
    assert promise.restart_sec_s <= promise.restart_max_delay_s
    delays = [promise.delay_s(number) for number in range(1, 20)]
    assert delays == sorted(delays)
    assert delays[-1] <= promise.restart_max_delay_s


@given(restart=RESTARTS, share=st.floats(0, 1))
def test_an_engine_that_never_starts_reaches_the_default_limit_however_long_it_takes(
    restart: Restart, share: float
) -> None:
    promise = promise_of(restart.model_copy(update={"start_limit_interval": None}), BUDGET)
    spent = share * promise.timeout_start_s + promise.timeout_stop_s
    last = sum(spent + promise.delay_s(number) for number in range(1, promise.start_limit_burst + 1))
    assert last <= promise.start_limit_interval_s * (1 + 1e-9)


def test_defaults_and_sensible_values_are_no_finding() -> None:
    assert not found()
    assert not found(start_limit_interval=600, restart_sec=10, restart_max_delay=60, watchdog_sec=60)
    assert not found(start_limit_interval=0, watchdog_sec=0, policy="no", timeout_start=900)


def test_an_interval_that_no_burst_fits_into_is_told_with_the_least_that_does() -> None:
    # systemd's own default, and an engine's delays of 5, 10, 20, 40 and 80 s.
    text = str(found(start_limit_interval=10)["start_limit_interval"])
    assert "can't reach its limit in 10 s: with its delays 5 starts take 165 s at least" in text
    assert "6min or more" in text
    promise = promise_of(Restart(), BUDGET)
    assert found(start_limit_interval=least_time_to_limit_s(promise))
    assert not found(start_limit_interval=least_time_to_limit_s(promise) + 1)


def test_a_longest_wait_below_the_first_is_told_and_cut_as_in_systemd() -> None:
    assert "10 s is less than restart_sec 60 s" in str(found(restart_sec=60, restart_max_delay=10)["restart_max_delay"])
    assert promise_of(Restart(restart_sec=60, restart_max_delay=10), BUDGET).restart_sec_s == 10
    assert promise_of(Restart(restart_sec=900), BUDGET).restart_max_delay_s == 900


def test_a_watchdog_shorter_than_a_step_is_told() -> None:
    assert "may take 60 s for one step" in str(found(watchdog_sec=20)["watchdog_sec"])
    assert promise_of(Restart(), BUDGET, step_s=400).watchdog_s == 800


def test_a_start_time_below_the_budget_is_told_with_its_parts() -> None:
    text = str(found(timeout_start=300)["timeout_start"])
    assert "may take 15 min to start (read 0.0 GiB 5 min, compile 6 min, warm-up 4 min), and is given 300 s" in text
    assert "Set 15min" in text


def test_a_limit_of_starts_says_nothing_with_policy_no() -> None:
    assert list(found(policy="no", start_limit_burst=3, start_limit_interval=1)) == ["start_limit_burst"]


def promised(plan: Plan) -> dict[str, float]:
    return {placement.instance: placement.restart.restart_sec_s for placement in plan.placements}


def test_the_models_promise_beats_the_engines_and_that_beats_the_stacks() -> None:
    models = {"own": engine(restart={"restart_sec": 1}), "other": engine()}
    config = config_of(models, {"box": host(2)}, restart={"restart_sec": 3})
    assert promised(make_plan(config, "hearth", "test")) == {"own": 1, "other": 3}
    shared = Shared(restart=Restart(restart_sec=2))
    assert promised(make_plan(config, "hearth", "test", shared=shared)) == {"own": 1, "other": 2}


@pytest.mark.parametrize(
    ("model", "shared", "path"),
    [
        ({"timeout_start": 9}, None, "hearth:models.chat.restart.timeout_start"),
        (None, Restart(timeout_start=9), "hearth:engines.restart.timeout_start"),
        (None, None, "hearth:restart.timeout_start"),
    ],
)
def test_a_finding_stands_where_the_promise_is_written(
    model: dict[str, Any] | None, shared: Restart | None, path: str
) -> None:
    config = config_of({"chat": engine(restart=model)}, restart={"timeout_start": 9})
    plan = make_plan(config, "hearth", "test", shared=Shared(restart=shared))
    assert [finding.path for finding in plan.findings] == [path]
    assert plan.placements[0].start_timeout_s == 9


def test_a_large_model_on_few_cores_gets_the_time_that_its_steps_take() -> None:
    small = engine("Qwen/Qwen3-1.7B", device="cpu", kv_cache="4GiB")
    made = planned(
        {"small": small, "large": {**small, "source": "Qwen/Qwen3-14B", "cores": "0-1"}},
        {"box": {"memory": "256GiB", "cores": 16}},
    )
    watchdogs = {placement.instance: placement.restart.watchdog_s for placement in made.placements}
    assert watchdogs["small"] == 300
    assert watchdogs["large"] > 2 * 300
