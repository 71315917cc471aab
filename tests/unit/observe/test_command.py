from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.cli import main
from infra.interval import GIB
from infra.observe import main_observe
from infra.observe.reading import Status
from infra.plan import read_calibration
from infra.plan.calibration import FILE_NAME
from tests.unit.observe.stacks import LOAD, MODELS, REPORTED, SERVING, Hosts, built_of, declared, write

ROOT = Path(__file__).parents[3]
ONLY_CHAT = {"chat": MODELS["chat"]}
Observe = Callable[..., tuple[int, str, str]]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


@pytest.fixture
def observe(checkout: Path, capsys: pytest.CaptureFixture[str]) -> Observe:
    """Run the command on hosts with these changes; return its exit code and what it printed."""

    def run(*arguments: str, **changes: Any) -> tuple[int, str, str]:
        hosts = changes.pop("hosts", None) or Hosts(checkout, changes)
        code = main_observe(["--stack", "mine", *arguments], hosts)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def saying(**reported: float) -> dict[str, Any]:
    return {"status": replace(SERVING, reported={**REPORTED, **reported})}


def entries(checkout: Path) -> dict[str, Any]:
    known, findings = read_calibration(checkout)
    assert findings == []
    return {key.model: figures for key, figures in known.items()}


def test_every_engine_is_shown_as_planned_as_observed_and_with_the_difference(observe: Observe) -> None:
    code, out, err = observe()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "mine: 2 of 2 engines serve; sizes in GiB per rank, start in seconds"
    chat = lines.index(next(line for line in lines if line.startswith("  chat")))
    plan, seen, less, standing = lines[chat : chat + 4]
    assert plan.split()[:3] == ["chat", "plan", "15.27"]
    assert plan.split()[-1].startswith("<")
    assert seen.split() == ["card", "0", "observed", "15.27", "13.55", "98,672", "12.0", "81"]
    assert less.split()[0] == "difference"
    assert standing.strip() == "running on box · 2 requests run, 0 wait · 31% of the cache in use"
    assert max(len(line) for line in lines) <= 100


def test_an_engine_that_fails_is_named_with_cause_and_fix_and_the_others_are_shown(observe: Observe) -> None:
    failed = Status("failed", starts=5, says="one request needs 6.00 GiB", fix="set hearth:models.coder.context: 4096")
    code, out, _ = observe(coder={"status": failed, "metrics": None, "health": "unhealthy"})
    assert code == 1
    assert "failed on box · 5 starts" in out
    assert "    one request needs 6.00 GiB\n    fix: set hearth:models.coder.context: 4096" in out
    assert "mine: 1 of 2 engines serve" in out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, "no container of it is there"),
        ({"is_running": False, "state": "exited", "exit_code": 137}, "its container ended with code 137"),
        ({"status": Status("starting", phase="loading", detail="shards 3 of 8"), "metrics": None}, "loading shards 3"),
        (
            {"status": Status("starting", phase="loading", says="no memory", fix="buy some"), "metrics": None},
            "loading; the start before: no memory\n    fix: buy some",
        ),
        ({"status": Status("waiting", phase="loading", says="no memory"), "metrics": None}, "    no memory\n"),
        ({"status": None, "metrics": None, "health": "starting"}, "its health check says starting"),
        ({"metrics": None}, "its metrics can't be read"),
    ],
)
def test_an_engine_that_does_not_serve_says_why_and_ends_with_1(
    observe: Observe, change: dict[str, Any] | None, says: str
) -> None:
    code, out, _ = observe(coder=change)
    assert code == 1
    assert says in out


def test_a_stopped_engines_last_word_counts_only_where_it_is_about_its_end(observe: Observe) -> None:
    gone = {"is_running": False, "state": "exited", "exit_code": 1, "metrics": None}
    own = Status("failed", says="no memory", fix="buy some")
    assert "no memory" in observe(coder={**gone, "status": own})[1]
    stale = replace(own, state="running")
    assert "its container ended with code 1" in observe(coder={**gone, "status": stale})[1]


def test_an_engine_without_a_status_file_is_read_by_health_and_metrics(observe: Observe) -> None:
    code, out, _ = observe(coder={"status": None})
    assert code == 0
    (seen,) = (line for line in out.splitlines() if line.startswith("    card 1"))
    # 6,167 blocks of 16 tokens; what only the log says is unknown.
    assert seen.split() == ["card", "1", "observed", "-", "-", "98,672", "-", "-"]


def test_a_host_that_cannot_be_reached_is_named_and_the_others_are_shown(checkout: Path, observe: Observe) -> None:
    code, out, err = observe(hosts=Hosts(checkout, problem="no route to host"))
    assert code == 1
    assert "box: no route to host" in out
    assert "error: host box: no route to host. Plug it in." in err


def test_an_engine_that_the_plan_does_not_know_is_named(checkout: Path, observe: Observe) -> None:
    stranger = replace(declared(built_of(checkout), "coder", checkout), instance="old")
    code, out, _ = observe(hosts=Hosts(checkout, further=(stranger,)))
    assert code == 0
    assert "the plan knows no such engine" in out


def test_without_save_the_file_stays_and_what_would_change_is_said(checkout: Path, observe: Observe) -> None:
    code, out, _ = observe()
    assert code == 0
    assert "calibration.json stays as it is; --save writes it" in out
    assert "new: Qwen/Qwen3-8B on H100-80GB x1, vLLM 0.32.0 (chat)" in out
    assert not (checkout / FILE_NAME).exists()


def test_what_is_saved_is_what_the_next_plan_prefers(
    checkout: Path, observe: Observe, capsys: pytest.CaptureFixture[str]
) -> None:
    assert observe("--save")[0] == 0
    seen = entries(checkout)["Qwen/Qwen3-8B"]
    assert (seen.weights_bytes, seen.tokens, seen.blocks, seen.start_s) == (round(15.27 * GIB), 98672, 6167, 81.4)
    total = built_of(checkout).plan.cards[0].slot.card.memory.value
    assert seen.non_kv_bytes == pytest.approx(0.4 * total - 13.55 * GIB, abs=1)
    assert main(["plan", "--stack", "mine", "--json"]) == 0
    rows = [row for card in json.loads(capsys.readouterr().out)["cards"] for row in card["engines"]]
    assert len(rows) == 2
    for row in rows:
        assert row["measured"].endswith("stack mine")
        assert row["kv_cache_gib"]["value"] == pytest.approx(13.55, abs=0.001)
        assert row["weights_gib"]["value"] == pytest.approx(15.27, abs=0.001)


def test_an_entry_that_holds_stays_as_it_is_to_the_letter(checkout: Path, observe: Observe) -> None:
    observe("--save")
    before = (checkout / FILE_NAME).read_text()
    (checkout / FILE_NAME).write_text(before.replace('"at": "20', '"at": "19'))
    old = (checkout / FILE_NAME).read_text()
    code, out, _ = observe("--save", chat={"status": replace(SERVING, start_s=99.0)}, coder=saying(weights_gib=15.28))
    assert code == 0
    assert FILE_NAME not in out
    assert (checkout / FILE_NAME).read_text() == old


@pytest.mark.parametrize(
    ("reported", "drifted"),
    [
        ({"weights_gib": 15.36}, False),
        ({"weights_gib": 15.38}, True),
        ({"weights_gib": 15.16}, True),
        ({"activation_gib": 1.02}, False),
        ({"activation_gib": 1.04}, True),
        ({"kv_cache_gib": 13.46}, False),
        ({"kv_cache_gib": 13.44}, True),
        ({"non_torch_gib": 0.119}, False),
        ({"concurrency": 1.0}, False),
    ],
)
def test_a_figure_drifts_by_two_percent_or_a_tenth_of_a_gib(
    checkout: Path, observe: Observe, reported: dict[str, float], *, drifted: bool
) -> None:
    write(checkout, ONLY_CHAT)
    observe("--save", chat=saying(activation_gib=1.0, non_torch_gib=0.1))
    code, out, _ = observe(chat=saying(**{"activation_gib": 1.0, "non_torch_gib": 0.1, **reported}))
    assert code == (7 if drifted else 0)
    assert ("drifted: " in out) == drifted


def test_drift_is_named_with_both_values_and_save_writes_what_is_true_now(checkout: Path, observe: Observe) -> None:
    observe("--save", chat=saying(graphs_gib=0.5))
    code, out, _ = observe(chat=saying(weights_gib=16.0))
    assert code == 7
    assert "drifted: Qwen/Qwen3-8B on H100-80GB x1, vLLM 0.32.0 (chat), since 20" in out
    assert "weights: 15.27 in the file, 16.00 now (+0.73)" in out
    assert entries(checkout)["Qwen/Qwen3-8B"].weights_bytes == round(15.27 * GIB)
    assert observe("--save", chat=saying(weights_gib=16.0))[0] == 0
    seen = entries(checkout)["Qwen/Qwen3-8B"]
    assert seen.weights_bytes == 16 * GIB
    # What was seen with the old weights says nothing of the new ones.
    assert seen.graphs_bytes is None
    assert observe(chat=saying(weights_gib=16.0))[0] == 0


def test_an_engine_that_does_not_serve_outweighs_drift(observe: Observe) -> None:
    observe("--save")
    assert observe(chat=saying(weights_gib=16.0), coder=None)[0] == 1


def test_an_entry_learns_what_it_did_not_know(checkout: Path, observe: Observe) -> None:
    observe("--save")
    code, out, _ = observe("--save", chat=saying(graphs_gib=0.62))
    assert code == 0
    assert "more is known: Qwen/Qwen3-8B" in out
    assert entries(checkout)["Qwen/Qwen3-8B"].graphs_bytes == round(0.62 * GIB)


def test_of_a_pinned_cache_the_rest_of_the_share_is_unknown(checkout: Path, observe: Observe) -> None:
    observe("--save", chat={"metrics": replace(LOAD, kv_bytes=5 * GIB)})
    seen = entries(checkout)["Qwen/Qwen3-8B"]
    assert (seen.non_kv_bytes, seen.kv_bytes) == (None, 5 * GIB)
    assert entries(checkout)["meta-llama/Llama-3.1-8B-Instruct"].non_kv_bytes is not None


def test_the_cache_of_neighbours_is_pinned_so_only_terms_are_learned(checkout: Path, observe: Observe) -> None:
    write(checkout, {name: {**model, "gpus": ["0"]} for name, model in MODELS.items()})
    observe("--save")
    for seen in entries(checkout).values():
        assert (seen.weights_bytes, seen.non_kv_bytes) == (round(15.27 * GIB), None)


def test_replicas_share_an_entry_with_the_least_favourable_figures(checkout: Path, observe: Observe) -> None:
    write(checkout, {"chat": {**MODELS["chat"], "replicas": 2, "gpus": ["0", "1"]}})
    code, out, _ = observe(
        "--save", **{"chat-1": saying(weights_gib=15.33, kv_cache_gib=13.49, kv_cache_tokens=98000.0)}
    )
    assert code == 0
    assert "(chat-0, chat-1)" in out
    (seen,) = entries(checkout).values()
    assert (seen.weights_bytes, seen.tokens) == (round(15.33 * GIB), 98000)
    assert seen.kv_bytes == round(13.49 * GIB)


def test_an_engine_of_another_declaration_teaches_nothing(checkout: Path, observe: Observe) -> None:
    code, out, _ = observe("--save", chat={"command": ("vllm", "serve", "--max-num-seqs", "4")}, coder={"labels": {}})
    assert code == 0
    assert out.count("it was made from another declaration than the present one") == 2
    assert not (checkout / FILE_NAME).exists()


def test_the_version_that_runs_is_that_of_the_entry(checkout: Path, observe: Observe) -> None:
    observe("--save", chat={"status": replace(SERVING, version=(0, 31, 1))})
    known, _ = read_calibration(checkout)
    assert {key.model: key.vllm for key in known}["Qwen/Qwen3-8B"] == "0.31.1"


def test_a_file_that_cannot_be_read_is_not_written_over(checkout: Path, observe: Observe) -> None:
    (checkout / FILE_NAME).write_text("<<<<<<< HEAD\n")
    code, _, err = observe("--save")
    assert code == 1
    assert "warning: calibration.json: can't be read" in err
    assert "error: calibration.json: isn't written over" in err
    assert (checkout / FILE_NAME).read_text() == "<<<<<<< HEAD\n"


def test_entries_of_other_engines_stay(checkout: Path, observe: Observe) -> None:
    observe("--save")
    write(checkout, ONLY_CHAT)
    observe("--save", chat=saying(weights_gib=17.0))
    assert set(entries(checkout)) == {"Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B-Instruct"}


def test_json_has_everything_that_the_text_has(observe: Observe) -> None:
    observe("--save")
    code, out, _ = observe("--json", chat=saying(weights_gib=16.0), coder={"status": None})
    answer = json.loads(out)
    assert code == 7
    rows = {row["instance"]: row for row in answer["engines"]}
    assert rows["chat"]["observed"]["weights_bytes"] == 16 * GIB
    assert rows["chat"]["plan"]["weights_bytes"] == pytest.approx(15.27 * GIB, abs=1)
    assert rows["coder"]["observed"]["weights_bytes"] is None
    assert (rows["chat"]["state"], rows["chat"]["serves"], rows["chat"]["kv_used"]) == ("running", True, 0.31)
    (change,) = answer["calibration"]["changes"]
    assert change["drifts"] == [
        {"field": "weights_bytes", "was_bytes": round(15.27 * GIB), "now_bytes": 16 * GIB},
    ]


def test_a_stack_that_is_not_there_ends_with_1_and_a_wrong_command_line_with_2(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del checkout
    assert main(["observe", "--stack", "other"]) == 1
    assert "error: Pulumi.other.yaml: can't be read" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["observe", "--stak", "mine"])
    assert ended.value.code == 2


def test_observing_imports_neither_pulumi_nor_dockers_sdk() -> None:
    code = (
        "import sys, infra.observe; print(sorted({name.split('.')[0] for name in sys.modules} & {'pulumi', 'docker'}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
