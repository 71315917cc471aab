from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.cli import main
from infra.interval import GIB
from infra.page import page
from infra.plan import Calibration, Plan, make_plan, plan_data, plan_text, read_calibration
from infra.plan.calibration import FILE_NAME, Figures, Key, calibration_text, key_of
from tests.unit.plan.stacks import BGE, LLAMA_8B, config_of, engine, entry, host

SEEN: dict[str, Any] = {"at": "2026-11-30", "stack": "prod", "fraction": 0.5}


def planned(models: dict[str, Any], calibration: Calibration, hosts: Any = None) -> Plan:
    return make_plan(config_of(models, hosts), "hearth", "test", calibration=calibration)


def key(models: dict[str, Any]) -> Key:
    """Return the key of engine `a` of a stack of these models."""
    config = config_of(models)
    spec = make_plan(config, "hearth", "test").entries["a"].spec
    return key_of(config.models["a"], spec)


def rows(*entries: tuple[Key, Figures]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(calibration_text(dict(entries)))["engines"]
    return made


ONE = {"a": engine(memory_fraction=0.5)}


def test_a_plan_prefers_what_was_seen_of_such_an_engine() -> None:
    seen = {key(ONE): Figures(**SEEN, weights_bytes=16 * GIB, non_kv_bytes=20 * GIB)}
    plain, measured = entry(planned(ONE, {}), "a"), entry(planned(ONE, seen), "a")
    assert plain.judgement.estimate is not None
    assert measured.judgement.estimate is not None
    assert measured.judgement.estimate.weights.value == 16 * GIB
    assert measured.judgement.estimate.pool.value == pytest.approx(plain.spec.requested.value - 20 * GIB)
    assert plain.judgement.estimate.pool.value > measured.judgement.estimate.pool.value + GIB


@pytest.mark.parametrize("change", [{"context": 4096}, {"memory_fraction": 0.4}, {"users": 2}])
def test_it_holds_for_another_context_and_another_share(change: dict[str, Any]) -> None:
    seen = {key(ONE): Figures(**SEEN, non_kv_bytes=20 * GIB)}
    found = entry(planned({"a": {**ONE["a"], **change}}, seen), "a")
    assert found.spec.measured is not None
    assert found.judgement.estimate is not None
    assert found.judgement.estimate.pool.value == pytest.approx(found.spec.requested.value - 20 * GIB)


@pytest.mark.parametrize(
    "change",
    [
        {"source": "Qwen/Qwen3-14B"},
        {"revision": "main"},
        {"max_sequences": 3},
        {"max_batched_tokens": 1024},
        {"kv_cache_dtype": "fp8"},
        {"dtype": "float16"},
        {"loras": 1},
        {"args": {"enforce-eager": True}},
        {"tensor_parallel": 2},
        {"expert_parallel": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_it_holds_for_no_other_setting(change: dict[str, Any]) -> None:
    hosts = {"box": host(2)}
    seen = {key(ONE): Figures(**SEEN, weights_bytes=16 * GIB)}
    assert entry(planned(ONE, seen, hosts), "a").spec.measured is not None
    assert entry(planned({"a": {**ONE["a"], **change}}, seen, hosts), "a").spec.measured is None


def test_it_holds_for_no_other_card_and_no_other_version() -> None:
    seen = {key(ONE): Figures(**SEEN, weights_bytes=16 * GIB)}
    assert entry(planned(ONE, seen, {"box": host(1, "H200")}), "a").spec.measured is None
    other = config_of(ONE, images={"vllm": "vllm/vllm-openai:v0.31.0"})
    assert entry(make_plan(other, "hearth", "test", calibration=seen), "a").spec.measured is None


def test_an_entry_that_says_nothing_of_memory_marks_nothing() -> None:
    seen = {key(ONE): Figures(**SEEN, tokens=1000, start_s=31.5)}
    assert entry(planned(ONE, seen), "a").spec.measured is None


def test_weights_of_an_engine_on_cpu_are_taken_too() -> None:
    cpu = {"a": engine("Qwen/Qwen3-1.7B", device="cpu", kv_cache="1GiB")}
    seen = {key(cpu): Figures(**SEEN, weights_bytes=5 * GIB)}
    (row,) = plan_data(planned(cpu, seen))["hosts"][0]["engines"]
    assert (row["weights_gib"]["value"], row["measured"]) == (5.0, "2026-11-30, stack prod")


def test_text_data_and_page_say_what_is_measured() -> None:
    models = {**ONE, "b": engine(BGE, kind="embedding", context=512, memory_fraction=0.1)}
    seen = {key(ONE): Figures(**SEEN, weights_bytes=16 * GIB)}
    plan = planned(models, seen)
    assert plan_text(plan).count("measured 2026-11-30, stack prod") == 1
    engines = {row["instance"]: row for card in plan_data(plan)["cards"] for row in card["engines"]}
    assert engines["a"]["measured"] == "2026-11-30, stack prod"
    assert engines["b"]["measured"] is None
    assert page(plan).count("<dt>measured</dt><dd>2026-11-30, stack prod</dd>") == 1
    assert "<dt>measured</dt>" not in page(planned(models, {}))


sizes = st.one_of(st.none(), st.integers(0, 200 * GIB))
keys = st.builds(
    Key,
    model=st.sampled_from((LLAMA_8B, "./model ü", "synthetic")),
    revision=st.one_of(st.none(), st.text(max_size=8)),
    vllm=st.sampled_from(("0.32.0", "0.9.1")),
    card=st.sampled_from(("H100-80GB", "L4")),
    card_memory_gib=st.sampled_from((79.2, 22.0)),
    tensor_parallel=st.integers(1, 8),
    pipeline_parallel=st.integers(1, 2),
    expert_parallel=st.booleans(),
    dtype=st.just("auto"),
    kv_cache_dtype=st.sampled_from(("auto", "fp8")),
    max_batched_tokens=st.integers(16, 16384),
    max_sequences=st.integers(1, 1024),
    enforce_eager=st.booleans(),
    text_only=st.booleans(),
    loras=st.integers(0, 2),
)
figures = st.builds(
    Figures,
    at=st.just("2026-11-30"),
    stack=st.just("prod"),
    fraction=st.one_of(st.none(), st.floats(0.01, 1.0)),
    weights_bytes=sizes,
    non_kv_bytes=sizes,
    kv_bytes=sizes,
    start_s=st.one_of(st.none(), st.floats(0, 1e5)),
)


@given(entries=st.dictionaries(keys, figures, max_size=4))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_as_the_same_entries_in_one_order(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[Key, Figures]
) -> None:
    root = tmp_path_factory.mktemp("calibration")
    text = calibration_text(entries)
    (root / FILE_NAME).write_text(text, encoding="utf-8")
    assert read_calibration(root) == (entries, [])
    assert calibration_text(dict(reversed(entries.items()))) == text


def test_a_changed_figure_is_one_changed_line() -> None:
    before = {key(ONE): Figures(**SEEN, weights_bytes=1)}
    after = {key(ONE): Figures(**SEEN, weights_bytes=2)}
    changed = set(calibration_text(after).splitlines()) - set(calibration_text(before).splitlines())
    assert changed == {'        "weights_bytes": 2'}


def test_no_file_is_no_calibration(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) == ({}, [])


@pytest.mark.parametrize(
    "content",
    ["", "no json", "[]", "{}", '{"schema": 2, "engines": []}', '{"schema": 1, "engines": {}}', "\xff", "[" * 100_000],
)
def test_a_broken_file_is_one_warning_and_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content.encode("latin-1"))
    entries, (finding,) = read_calibration(tmp_path)
    assert entries == {}
    assert (finding.path, finding.severity) == ("calibration.json", "warning")
    assert "python -m infra observe --save" in finding.fix


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"tensor_parallel": "2"}, "engines[0].tensor_parallel"),
        ({"vllm": "newest"}, "engines[0].vllm"),
        ({"card_memory_gib": float("nan")}, "engines[0].card_memory_gib"),
        ({"card_memory_gib": None}, "engines[0].card_memory_gib"),
        ({"typo": 1}, "engines[0].typo"),
        ({"observed": None}, "engines[0].observed"),
        ({"observed": {**SEEN, "weights_bytes": -1}}, "engines[0].observed.weights_bytes"),
        ({"observed": {**SEEN, "weights_bytes": 1.5}}, "engines[0].observed.weights_bytes"),
        ({"observed": {**SEEN, "weights_bytes": True}}, "engines[0].observed.weights_bytes"),
        ({"observed": {**SEEN, "weights_bytes": 10**30}}, "engines[0].observed.weights_bytes"),
        ({"observed": {**SEEN, "at": "today"}}, "engines[0].observed.at"),
        ({"observed": {**SEEN, "fraction": 0}}, "engines[0].observed.fraction"),
    ],
)
def test_a_wrong_entry_is_named_and_the_others_count(tmp_path: Path, change: dict[str, Any], path: str) -> None:
    wrong, right = rows(
        (key(ONE), Figures(**SEEN, weights_bytes=1)),
        (key({"a": engine(BGE, kind="embedding")}), Figures(**SEEN, weights_bytes=2)),
    )
    (tmp_path / FILE_NAME).write_text(json.dumps({"schema": 1, "engines": [{**wrong, **change}, right, "x"]}))
    entries, (finding, last) = read_calibration(tmp_path)
    assert finding.path == f"calibration.json: {path}"
    assert last.path == "calibration.json: engines[2]"
    assert [found.weights_bytes for found in entries.values()] == [right["observed"]["weights_bytes"]]


def test_a_second_entry_for_one_key_is_named_and_ignored(tmp_path: Path) -> None:
    (row,) = rows((key(ONE), Figures(**SEEN, weights_bytes=1)))
    again = {**row, "observed": {**row["observed"], "weights_bytes": 2}}
    (tmp_path / FILE_NAME).write_text(json.dumps({"schema": 1, "engines": [row, again]}))
    entries, (finding,) = read_calibration(tmp_path)
    assert [found.weights_bytes for found in entries.values()] == [1]
    assert finding.problem.startswith(f"is a second entry for {LLAMA_8B} on H100-80GB x1, vLLM 0.32.0")


def test_the_command_reads_it_and_a_broken_one_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    inventory = {"hosts": {"box": host()}}
    (tmp_path / "Pulumi.mine.yaml").write_text(
        json.dumps({"config": {"hearth:models": ONE, "hearth:inventory": inventory}})
    )
    file = tmp_path / FILE_NAME
    file.write_text(calibration_text({key(ONE): Figures(**SEEN, weights_bytes=16 * GIB)}))
    assert main(["plan", "--stack", "mine"]) == 0
    assert "measured 2026-11-30, stack prod" in capsys.readouterr().out
    file.write_text("{")
    assert main(["plan", "--stack", "mine"]) == 0
    printed = capsys.readouterr()
    assert "measured" not in printed.out.replace("not measured", "")
    assert "warning: calibration.json: can't be read" in printed.err
