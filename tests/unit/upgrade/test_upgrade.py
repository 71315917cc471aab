"""The command as people run it: a stack file in a folder, a version, and what comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cli import main
from infra.config.load import read_stack_file
from infra.interval import GIB
from infra.pipeline import build
from infra.plan import plan_text
from infra.plan.calibration import FILE_NAME, Figures, calibration_text, key_of
from infra.upgrade.target import full_version, retag
from tests.golden_files import ROOT

GPU = {"box": {"gpus": [{"id": "0", "model": "H100-80GB"}]}}
LLAMA = {"source": "meta-llama/Llama-3.1-8B-Instruct", "context": 8192, "gpus": ["0"]}
EXPORTERS = ["blackbox-exporter", "cadvisor", "dcgm-exporter", "nginx-exporter", "node-exporter"]
OTHERS = ["alertmanager", "grafana", "litellm", "nginx", "open-webui", "prometheus"]


class Asked:
    """Runs the command in a folder, both ways: what it prints must agree."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.code = -1
        self.text = ""
        self.errors = ""

    def __call__(self, stack: str, version: str) -> dict[str, Any]:
        self.code = main(["upgrade", "--stack", stack, "--engine", version])
        printed = self.capsys.readouterr()
        self.text, self.errors = printed.out, printed.err
        assert main(["upgrade", "--stack", stack, "--engine", version, "--json"]) == self.code
        out = self.capsys.readouterr().out
        answer: dict[str, Any] = json.loads(out) if out else {}
        return answer


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.chdir(tmp_path)
    return Asked(capsys)


@pytest.fixture
def shipped(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.chdir(ROOT)
    return asked


def write(image: str | None = None, hosts: Any = None, **models: Any) -> None:
    config: dict[str, Any] = {"inventory": {"hosts": hosts or GPU}, "models": models, "imageSource": "official"}
    if image is not None:
        config["images"] = {"vllm": image}
    document = {"config": {f"hearth:{key}": value for key, value in config.items()}}
    Path("Pulumi.mine.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def paths(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["path"]: row["severity"] for row in rows}


@pytest.mark.parametrize(
    ("stack", "engines"),
    [
        ("prod", ["coder", "gpt-oss", "llama"]),
        ("dev", ["llama3", "qwen3"]),
        ("local", ["minilm", "tiny-chat-0", "tiny-chat-1", "tiny-coder"]),
    ],
)
def test_the_newest_version_replaces_the_engines_alone_and_breaks_nothing(
    shipped: Asked, stack: str, engines: list[str]
) -> None:
    answer = shipped(stack, "0.33.0")
    assert shipped.code == 0
    assert shipped.text.endswith("nothing stands in the way\n")
    # What fetches weights for an engine runs in its image.
    steps = [] if stack == "local" else [f"prefetch-{engine}" for engine in engines]
    replaced = {row["instance"]: row for row in answer["containers"]["replaced"]}
    # Another version plans other figures on cards, which Prometheus has as series.
    told = {"prometheus"} if stack == "prod" else set()
    assert set(replaced) == {*steps, *engines, *told}
    cards = {"dcgm-exporter"} if stack != "prod" else set()
    assert answer["containers"]["stay"] == sorted({*OTHERS, *EXPORTERS} - cards - told)
    assert all(
        ":v0.33.0" in replaced[name]["after"] and "image" in replaced[name]["what"] for name in (*steps, *engines)
    )
    assert [row["instance"] for row in answer["memory"]] == engines
    assert max(len(line) for line in shipped.text.splitlines()) <= 100


def test_a_downgrade_names_what_the_older_version_lacks(shipped: Asked) -> None:
    answer = shipped("dev", "v0.10.1")
    assert shipped.code == 1
    assert [row["problem"] for row in answer["flags"]] == [
        f"vLLM 0.10.1 doesn't know --kv-cache-memory-bytes, which Hearth writes from models.{model}.kv_cache"
        for model in ("llama3", "qwen3")
    ]
    assert shipped.text.endswith("2 errors stand in the way\n")


def test_a_downgrade_names_what_is_replaced_and_what_still_fits(shipped: Asked) -> None:
    answer = shipped("prod", "v0.16.0")
    assert shipped.code == 0
    changed = {row["instance"]: row["what"] for row in answer["containers"]["replaced"]}
    assert {"image", "--shutdown-timeout 30 → unset"} <= set(changed["coder"])
    assert "files" not in changed["coder"]
    assert any(what.startswith("--gpu-memory-utilization 0.") for what in changed["coder"])
    assert {row["instance"]: row["after"]["verdict"] for row in answer["memory"]} == {
        "coder": "fits",
        "gpt-oss": "fits",
        "llama": "fits",
    }


def test_a_metric_that_an_old_version_lacks_is_told_with_its_older_name_and_who_asks_for_it(shipped: Asked) -> None:
    rows = {row["name"]: row for row in shipped("prod", "0.9.2")["metrics"]}
    assert set(rows) == {"vllm:inter_token_latency_seconds", "vllm:request_time_per_output_token_seconds"}
    assert rows["vllm:inter_token_latency_seconds"] == {
        "name": "vllm:inter_token_latency_seconds",
        "older": "vllm:time_per_output_token_seconds",
        "used_by": ["grafana/models.json", "prometheus/hearth.yml"],
        "is_lost": True,
    }
    assert "  ! vllm:inter_token_latency_seconds isn't there yet in 0.9.2" in shipped.text


def test_a_metric_comes_back_with_the_version_that_has_it(asked: Asked) -> None:
    write("vllm/vllm-openai:v0.10.0", a=LLAMA)
    assert [(row["name"], row["is_lost"]) for row in asked("mine", "0.20.0")["metrics"]] == [
        ("vllm:inter_token_latency_seconds", False),
        ("vllm:request_time_per_output_token_seconds", False),
    ]


def test_a_removed_flag_breaks_and_names_the_last_version_with_it(asked: Asked) -> None:
    write("vllm/vllm-openai:v0.27.1", a={**LLAMA, "args": {"calculate-kv-scales": True}})
    answer = asked("mine", "0.28.0")
    assert asked.code == 1
    assert paths(answer["flags"]) == {"hearth:models.a.args.calculate-kv-scales": "error"}
    assert "0.27.1 was the last version seen with it, this is 0.28.0" in answer["flags"][0]["problem"]
    assert asked("mine", "0.26.0")["flags"] == []
    assert asked.code == 0


def test_a_renamed_flag_names_what_took_its_place_in_both_directions(asked: Asked) -> None:
    write("vllm/vllm-openai:v0.10.2", a={**LLAMA, "args": {"guided-decoding-backend": "xgrammar"}})
    row = next(row for row in asked("mine", "0.33.0")["flags"] if "args" in row["path"])
    assert row["fix"] == "write structured-outputs-config.backend"
    write("vllm/vllm-openai:v0.33.0", a={**LLAMA, "args": {"structured-outputs-config.backend": "xgrammar"}})
    row = next(row for row in asked("mine", "0.10.2")["flags"] if "args" in row["path"])
    assert row["fix"] == "write guided-decoding-backend, or pin an image of 0.11.0 or newer"


def test_what_is_wrong_today_already_is_kept_apart_from_what_the_version_brings(asked: Asked) -> None:
    write("vllm/vllm-openai:v0.28.0", a={**LLAMA, "args": {"calculate-kv-scales": True}})
    answer = asked("mine", "0.33.0")
    assert (asked.code, answer["flags"]) == (1, [])
    assert paths(answer["standing"]) == {"hearth:models.a.args.calculate-kv-scales": "error"}


def test_what_the_version_mends_is_told(asked: Asked) -> None:
    write("vllm/vllm-openai:v0.10.1", a={**LLAMA, "kv_cache": "4GiB"})
    answer = asked("mine", "0.18.0")
    assert asked.code == 0
    assert "--kv-cache-memory-bytes" in answer["mended"][0]["problem"]


def test_a_variable_that_is_not_read_any_more_is_a_warning(asked: Asked) -> None:
    write("vllm/vllm-openai:v0.19.0", a={**LLAMA, "environment": {"VLLM_USE_FLASHINFER_MOE_FP8": "1"}})
    before = asked("mine", "0.19.1")
    write("vllm/vllm-openai:v0.11.0", a={**LLAMA, "environment": {"VLLM_USE_V1": "1"}})
    answer = asked("mine", "0.33.0")
    assert before["flags"] == []
    assert paths(answer["flags"]) == {"hearth:models.a.environment.VLLM_USE_V1": "warning"}
    assert asked.code == 0


def test_a_changed_default_that_turns_fits_into_no_is_an_error_with_the_default_beside_it(asked: Asked) -> None:
    hosts = {"box": {"cores": 8, "memory": "24GiB"}}
    model = {"source": "Qwen/Qwen3-1.7B", "device": "cpu", "context": 4096, "dtype": "bfloat16"}
    write("vllm/vllm-openai-cpu:v0.12.0-x86_64", hosts, a={**model, "cores": "0-3"}, b={**model, "cores": "4-7"})
    answer = asked("mine", "0.13.0")
    assert asked.code == 1
    verdicts = {row["instance"]: (row["before"]["verdict"], row["after"]["verdict"]) for row in answer["memory"]}
    assert verdicts["b"] == ("fits", "no")
    assert "hearth:models.b" in paths(answer["engines"])
    change = next(row for row in answer["defaults"] if row["flag"] == "kv-cache-memory-bytes")
    assert (change["before"], change["after"], change["models"]) == ("4 GiB", "half of the host's RAM", ["a", "b"])


def test_an_engine_on_a_card_that_no_longer_starts_comes_with_the_ledgers_fixes(asked: Asked) -> None:
    model = {**LLAMA, "memory_fraction": 0.23, "context": 8192}
    write("vllm/vllm-openai:v0.19.1", a=model)
    answer = asked("mine", "0.20.0")
    (row,) = answer["memory"]
    assert (row["before"]["verdict"], row["after"]["verdict"]) == ("tight", "no")
    assert asked.code == 1
    assert "memory_fraction" in answer["engines"][0]["fix"]


def test_defaults_by_the_cards_size_are_those_of_this_card(asked: Asked) -> None:
    large = {"box": {"gpus": [{"id": "0", "model": "B200"}]}}
    write("vllm/vllm-openai:v0.27.1", large, a=LLAMA)
    rows = {row["flag"]: (row["before"], row["after"]) for row in asked("mine", "0.28.0")["defaults"]}
    assert rows["max-num-batched-tokens"] == ("8,192", "16,384")
    write("vllm/vllm-openai:v0.27.1", GPU, a=LLAMA)
    assert asked("mine", "0.28.0")["defaults"] == []
    write("vllm/vllm-openai:v0.27.1", large, a={**LLAMA, "max_batched_tokens": 8192})
    assert asked("mine", "0.28.0")["defaults"] == []


def test_engines_stay_on_the_cards_that_they_are_on(asked: Asked) -> None:
    two = {"box": {"gpus": [{"id": "0", "model": "H100-80GB"}, {"id": "1", "model": "H100-80GB"}]}}
    free = {key: value for key, value in LLAMA.items() if key != "gpus"}
    write("vllm/vllm-openai:v0.31.0", two, a=free)
    saved = {"engines": {"a": {"host": "box", "gpus": ["1"]}}}
    Path("placements.mine.json").write_text(json.dumps(saved), encoding="utf-8")
    (row,) = asked("mine", "0.32.0")["memory"]
    assert (row["before"]["place"], row["after"]["place"]) == ("box:1", "box:1")


def test_an_image_of_ones_own_keeps_its_registry(asked: Asked) -> None:
    write("mirror.example.com:5000/vllm/vllm-openai:v0.31.0@sha256:" + "0" * 64, a=LLAMA)
    step, row = asked("mine", "0.32.0")["containers"]["replaced"]
    assert step["after"] == row["after"]
    assert row["after"] == "mirror.example.com:5000/vllm/vllm-openai:v0.32.0"


def test_a_built_image_has_one_version(asked: Asked) -> None:
    write(a={"source": "synthetic", "device": "cpu"})
    text = Path("Pulumi.mine.yaml").read_text(encoding="utf-8").replace("official", "built")
    Path("Pulumi.mine.yaml").write_text(text, encoding="utf-8")
    answer = asked("mine", "0.33.0")
    assert "has vLLM 0.32.0 only" in answer["notes"][0]
    replaced = {row["instance"]: row["after"] for row in answer["containers"]["replaced"]}
    assert replaced == {"a": "vllm/vllm-openai-cpu:v0.33.0-x86_64"}


def test_engines_of_two_devices_need_an_image_each(asked: Asked) -> None:
    write(a=LLAMA, b={"source": "synthetic", "device": "cpu"})
    answer = asked("mine", "0.31.0")
    replaced = {row["instance"]: row["after"] for row in answer["containers"]["replaced"]}
    cuda = "vllm/vllm-openai:v0.31.0"
    assert replaced == {"prefetch-a": cuda, "a": cuda, "b": "vllm/vllm-openai-cpu:v0.31.0-x86_64"}
    assert "this stack needs several" in answer["notes"][0]


def test_the_version_that_runs_already_changes_nothing(shipped: Asked) -> None:
    answer = shipped("prod", "0.32.0")
    assert (shipped.code, answer["containers"]["replaced"], answer["defaults"]) == (0, [], [])
    assert answer["notes"] == ["the stack has vLLM 0.32.0 already"]


def test_a_version_between_those_that_were_read_says_so(shipped: Asked) -> None:
    assert "0.15.0 itself wasn't read" in shipped("prod", "0.15.0")["notes"][0]


def test_nothing_is_touched(asked: Asked) -> None:
    write(a=LLAMA)
    before = {file.name: file.read_bytes() for file in Path().iterdir()}
    asked("mine", "0.33.0")
    assert {file.name: file.read_bytes() for file in Path().iterdir()} == before


@pytest.mark.parametrize("version", ["", "newest", "0.33.x", "0.33.0; ls", "0.3.0", "0.99.0", "1", "-1.0"])
def test_a_version_that_the_catalogue_does_not_cover_is_a_wrong_command_line(asked: Asked, version: str) -> None:
    write(a=LLAMA)
    assert main(["upgrade", "--stack", "mine", f"--engine={version}"]) == 2
    printed = asked.capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: --engine: ")
    assert "Give one from 0.5.5 to 0.33.0." in printed.err


def test_without_a_version_it_is_a_wrong_command_line(asked: Asked) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["upgrade", "--stack", "mine"])
    assert "--engine" in asked.capsys.readouterr().err


def test_a_stack_that_cannot_be_read_is_told_without_a_traceback(asked: Asked) -> None:
    assert main(["upgrade", "--stack", "other", "--engine", "0.33.0"]) == 1
    assert "error: Pulumi.other.yaml: can't be read" in asked.capsys.readouterr().err


def test_a_stack_without_engines_has_nothing_to_move(asked: Asked) -> None:
    write()
    answer = asked("mine", "0.33.0")
    assert (asked.code, answer["notes"], answer["containers"]["replaced"]) == (0, ["the stack has no engine"], [])


@pytest.mark.parametrize(
    ("image", "moved"),
    [
        ("vllm/vllm-openai:v0.31.0", "vllm/vllm-openai:v0.33.0"),
        ("vllm/vllm-openai-cpu:v0.31.0-x86_64", "vllm/vllm-openai-cpu:v0.33.0-x86_64"),
        ("registry.example.com:5000/vllm:0.6.3.post1", "registry.example.com:5000/vllm:0.33.0"),
        ("vllm/vllm-openai:v0.31.0@sha256:" + "0" * 64, "vllm/vllm-openai:v0.33.0"),
        ("vllm/vllm-openai:latest", None),
        ("registry.example.com:5000/vllm", None),
        ("", None),
    ],
)
def test_an_image_moves_to_another_tag(image: str, moved: str | None) -> None:
    assert retag(image, "0.33.0") == moved


@pytest.mark.parametrize(("text", "full"), [("v0.20", "0.20.0"), ("0.6.3.post1", "0.6.3.post1"), ("0.20.1", "0.20.1")])
def test_a_version_is_written_as_tags_are(text: str, full: str) -> None:
    assert full_version(text) == full


def test_what_was_measured_of_the_present_version_does_not_blur_the_comparison(asked: Asked) -> None:
    write(chat=LLAMA)
    plain = asked("mine", "0.33.0")
    written, found = read_stack_file(Path(), "mine")
    built, _ = build(written, "mine", found)
    assert built is not None
    key = key_of(built.config.models["chat"], built.plan.entries["chat"].spec)
    seen = {key: Figures(at="2026-11-30", stack="mine", fraction=0.9, weights_bytes=20 * GIB, non_kv_bytes=30 * GIB)}
    Path(FILE_NAME).write_text(calibration_text(seen), encoding="utf-8")
    built, _ = build(written, "mine", found)
    assert built is not None
    assert "measured 2026-11-30, stack mine" in plan_text(built.plan)
    assert asked("mine", "0.33.0") == plain
