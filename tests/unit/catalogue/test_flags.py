from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.catalogue.flag_table import Known, Span, find_option, names_at, parser_names, version_text, versions
from infra.catalogue.flags import Value, check_args, check_environment, findings_for
from infra.errors import Severity

VERSION = "v0.32.0"
# Printed by vLLM 0.32.0's own parser (make_arg_parser of the CPU build), not by what made the catalogue.
REAL: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("serve_options_0.32.0.json").read_text(encoding="utf-8")
)


def one(flag: str, value: Value, version: str = VERSION) -> str:
    found = check_args({flag: value}, version)
    assert len(found) == 1, found
    assert found[0].flag == flag
    return f"{found[0].severity}: {found[0].problem}; {found[0].fix}"


def test_the_catalogue_has_exactly_the_options_of_the_real_parser() -> None:
    assert set(names_at((0, 32, 0))) == set(REAL)


@pytest.mark.parametrize("name", REAL)
def test_an_option_takes_what_the_real_parser_takes(name: str) -> None:
    found = find_option(name, (0, 32, 0))
    assert found is not None
    option, opposite = found
    assert not opposite
    switch = REAL[name]["kind"] != "value"
    assert (option.type == "switch", option.negatable) == (switch, REAL[name]["kind"] == "switch with opposite")
    # The choices of this one depend on the machine: auto, cpu and the platform that was found.
    if name != "mm-processor-device":
        assert set(option.choices) == set(REAL[name].get("choices", []))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("enforce-eager", True),
        ("enforce-eager", False),
        ("enforce_eager", True),
        ("no-enable-prefix-caching", True),
        ("distributed-executor-backend", "uni"),
        ("max-num-batched-tokens", 4096),
        ("max-num-batched-tokens", "8k"),
        ("watermark", 0.01),
        ("hf-overrides", '{"rope_parameters": {"rope_theta": 1000000}}'),
        ("compilation-config.mode", 3),
        ("compilation_config.cudagraph_capture_sizes+", "1,2,4"),
        ("speculative-config.model", "org/draft"),
        ("kv-transfer-config", '{"cpu_bytes_to_use": 80m}'),
        ("pt-load-map-location", "cuda"),
        ("allowed-origins", '["*"]'),
        ("tool-call-parser", "hermes"),
        ("reasoning-parser", "qwen3"),
        ("generation-config", "vllm"),
    ],
)
def test_a_right_flag_passes(flag: str, value: Value) -> None:
    assert check_args({flag: value}, VERSION) == []


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("enforce-eagr", True, "error: is no option of vLLM 0.32.0; did you mean enforce-eager"),
        ("--enforce-eager", True, "error: starts with a dash; write enforce-eager, the dashes are added"),
        ("enforce-eager", "true", "error: is a switch and takes no value (it is 'true'); write true, without quotes"),
        ("disable-log-stats", False, "error: has no opposite, so it can't be false; remove it"),
        ("no-enable-prefix-caching", False, "error: says no twice; write enable-prefix-caching: true"),
        ("max-num-batched-tokens", True, "error: takes a value, true is none; write a whole number"),
        (
            "max-num-batched-tokens",
            "8GiB",
            "error: can't be '8GiB' in vLLM 0.32.0; write a whole number, or one with k",
        ),
        ("max-num-batched-tokens", "1.5K", "error: can't be '1.5K'"),
        ("max-num-batched-tokens", "auto", "error: can't be 'auto'"),
        ("stream-interval", "often", "error: can't be 'often' in vLLM 0.32.0; write a whole number"),
        ("watermark", "low", "error: can't be 'low' in vLLM 0.32.0; write a number"),
        ("max-lora-rank", 17, "error: is decided by the plan; write lora_rank of the model instead"),
        ("scheduling-policy", "fcsf", "error: can't be 'fcsf' in vLLM 0.32.0; did you mean fcfs"),
        ("hf-overrides", "{rope: 1}", "error: can't be '{rope: 1}' in vLLM 0.32.0; write JSON"),
        ("speculative-config", "eagle", "error: can't be 'eagle' in vLLM 0.32.0; write JSON"),
        ("seed.x", 1, "error: has a dot, but seed is no JSON option; write seed"),
        ("compilation-config.", 1, "error: has an empty part"),
        ("compilation-config.use_cudagraph", True, 'error: takes a value, a switch has none; write "true", in quotes'),
        ("tool-call-parser", "hermess", "error: no tool parser of vLLM 0.32.0 is named 'hermess'; did you mean hermes"),
        ("max-model-len", 8192, "error: is decided by the plan; write context of the model instead"),
        ("max_model_len", 8192, "error: is decided by the plan; write context of the model instead"),
        ("device-memory-utilization", 0.5, "error: is decided by the plan; write memory_fraction of the model instead"),
        ("tp", 2, "error: is the short form of tensor-parallel-size; write tensor_parallel of the model instead"),
        ("ep", True, "error: is the short form of enable-expert-parallel; write expert_parallel of the model instead"),
        ("swap-space", 4, "error: is gone: 0.17.1 was the last version seen with it, this is 0.32.0; remove it"),
        ("guided-decoding-backend", "auto", "error: is gone: 0.10.2 was the last"),
        ("disable-log-requests", True, "error: is gone: 0.16.0 was the last"),
        (
            "watchdog-config.timeout",
            60,
            "error: is new in 0.33.0, this is 0.32.0; remove it, or pin an image of 0.33.0",
        ),
    ],
)
def test_a_wrong_flag_is_named_with_its_remedy(flag: str, value: Value, said: str) -> None:
    assert one(flag, value).startswith(said)


@pytest.mark.parametrize("flag", ["api-key", "api_key", "hf-token"])
def test_a_secret_among_the_flags_is_refused_and_not_repeated(flag: str) -> None:
    line = one(flag, "sk-very-secret")
    assert line.startswith("error: puts a secret into the list of running programs")
    assert "very-secret" not in line


def test_what_was_wrong_before_can_be_right_later() -> None:
    """From 0.33.0 on every --enable-x has a --disable-x."""
    assert one("disable-prefix-caching", value=True).startswith("error: is no option")
    assert check_args({"disable-prefix-caching": True}, "0.33.0") == []
    assert check_args({"disable-log-requests": True}, "0.33.0") == []
    assert check_args({"swap-space": 4}, "0.17.1") == []
    assert check_args({"max-num-partial-prefills": 2}, "0.26.0") == []


def test_between_two_versions_that_were_looked_at_a_flag_is_only_doubtful() -> None:
    """0.26.0 has it and 0.28.0 hasn't; 0.27.0 is not among the versions looked at, 0.27.1 is."""
    assert one("max-num-partial-prefills", 2, "0.27.0").startswith("warning: may be missing in 0.27.0")
    assert one("max-num-partial-prefills", 2, "0.27.1").startswith("error: is gone")


@pytest.mark.parametrize("version", ["v0.99.0", "nightly"])
def test_of_a_newer_version_an_unknown_flag_is_only_doubtful(version: str) -> None:
    assert one("brand-new-thing", 1, version).startswith("warning: is no option")
    assert one("swap-space", 4, version).startswith("error: is gone")
    assert one("scheduling-policy", "newest", version).startswith("warning: can't be")
    assert check_args({"tool-call-parser": "newest"}, version) == []


def test_flags_that_need_each_other() -> None:
    found = check_args({"enable-auto-tool-choice": True}, VERSION)
    assert [(problem.flag, problem.fix) for problem in found] == [("enable-auto-tool-choice", "add tool-call-parser")]
    assert check_args({"enable-auto-tool-choice": True, "tool-call-parser": "hermes"}, VERSION) == []
    assert check_args({"tool-call-parser": "mine", "tool-parser-plugin": "/opt/mine.py"}, VERSION) == []


def test_one_option_in_two_spellings_is_found() -> None:
    found = check_args({"enforce-eager": True, "enforce_eager": False, "no-enforce-eager": True}, VERSION)
    assert [problem.problem for problem in found] == ["is the same option as enforce-eager"] * 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HF_TOKEN", "error: is a secret in plain text"),
        ("VLLM_API_KEY", "error: is a secret in plain text"),
        ("CUDA_VISIBLE_DEVICES", "error: is decided by the plan; write gpus"),
        ("VLLM_LOGING_LEVEL", "warning: is not read by vLLM 0.32.0; did you mean VLLM_LOGGING_LEVEL"),
        ("VLLM_USE_V1", "warning: is not read any more: 0.11.0 was the last version seen with it, this is 0.32.0"),
        ("AWS_SECRET_ACCESS_KEY", "warning: looks like a secret"),
        ("MY_API_KEY", "warning: looks like a secret"),
    ],
)
def test_a_wrong_variable_is_named_with_its_remedy(name: str, said: str) -> None:
    found = check_environment({name: "value-of-it"}, VERSION)
    assert len(found) == 1
    assert f"{found[0].severity}: {found[0].problem}; {found[0].fix}".startswith(said)
    assert "value-of-it" not in str(found[0])


@pytest.mark.parametrize(
    "name", ["OMP_NUM_THREADS", "VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_LOGGING_LEVEL", "NCCL_DEBUG"]
)
def test_a_right_variable_passes(name: str) -> None:
    assert check_environment({name: "1"}, VERSION) == []


def test_findings_say_where_in_the_stack_file() -> None:
    found = findings_for("hearth:models.coder", {"enforce-eagr": True}, {"HF_TOKEN": "x"}, VERSION)
    assert [(finding.path, finding.severity) for finding in found] == [
        ("hearth:models.coder.args.enforce-eagr", Severity.ERROR),
        ("hearth:models.coder.environment.HF_TOKEN", Severity.ERROR),
    ]


def test_a_span_knows_what_lies_between_the_versions_seen() -> None:
    span = Span(since=(0, 12, 0), until=(0, 26, 0))
    answers = [span.at(version) for version in ((0, 11, 2), (0, 11, 3), (0, 12, 0), (0, 26, 0), (0, 27, 0), (0, 27, 1))]
    expected = [Known.NOT_YET, Known.DOUBTFUL, Known.YES, Known.YES, Known.DOUBTFUL, Known.GONE]
    assert answers == expected


@pytest.mark.parametrize("version", versions(), ids=version_text)
def test_every_version_has_the_options_that_all_had(version: tuple[int, ...]) -> None:
    """A reading that lost a part of a version's options would show here."""
    assert {"max-model-len", "tensor-parallel-size", "gpu-memory-utilization", "host", "chat-template"} <= set(
        names_at(version)
    )
    assert len(names_at(version)) > 90
    assert version < (0, 6, 4) or "hermes" in parser_names("tool", version)
