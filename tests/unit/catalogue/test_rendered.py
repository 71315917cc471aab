from __future__ import annotations

from typing import Any

import pytest

from infra.catalogue.flag_table import version_text, versions
from infra.catalogue.rendered import flags_of, rendered_findings
from infra.catalogue.versions import PINNED, parse_version
from infra.config.load import Written, read_stack_file
from infra.errors import Finding, Severity
from infra.pipeline import build
from tests.golden_files import CASES, ROOT

# The first version with each flag that not every version has; the catalogue and vllm/engine/arg_utils.py say the same.
NEW_IN = {
    "--kv-cache-memory-bytes": ("0.10.2", ("dev", "local")),
    "--runner": ("0.10.1", ("local",)),
}


def of_image(stack: str, version: str) -> list[Finding]:
    written, found = read_stack_file(ROOT, stack)
    values = {**written.values, "imageSource": "official", "images": {"vllm": f"vllm/vllm-openai:v{version}"}}
    _, findings = build(Written(values, written.secrets, written.root), stack, found)
    return [one for one in findings if one.path == "hearth:images.vllm" and "which Hearth writes" in one.problem]


@pytest.mark.parametrize("stack", CASES)
def test_what_hearth_writes_is_legal_in_the_pinned_version(stack: str) -> None:
    assert of_image(stack, PINNED) == []


@pytest.mark.parametrize("version", [version_text(version) for version in versions()])
def test_an_older_image_is_told_exactly_the_flags_that_it_lacks(version: str) -> None:
    number = parse_version(version)
    assert number is not None
    for stack in CASES:
        found = {one.problem.partition("know ")[2].partition(",")[0] for one in of_image(stack, version)}
        wanted = {
            flag
            for flag, (since, stacks) in NEW_IN.items()
            if stack in stacks and number < (parse_version(since) or ())
        }
        assert found == wanted, stack


def test_a_finding_names_what_people_wrote_and_how_to_mend_it() -> None:
    assert {str(one) for one in of_image("dev", "0.9.2")} == {
        "hearth:images.vllm: vLLM 0.9.2 doesn't know --kv-cache-memory-bytes, which Hearth writes from "
        f"models.{model}.kv_cache. Take an image of 0.10.2 or newer, or remove kv_cache."
        for model in ("llama3", "qwen3")
    }


def said(flags: dict[str, Any], version: str, *written: str, **environment: str) -> list[str]:
    found = rendered_findings("a", flags, environment, version, written=written)
    return [f"{one.severity}: {one}" for one in found]


def test_a_field_that_nobody_wrote_is_not_to_be_removed() -> None:
    (text,) = said({"kv-cache-memory-bytes": 2**30}, "0.9.2")
    assert text.endswith("which Hearth writes for its engines. Take an image of 0.10.2 or newer.")


def test_a_flag_that_is_gone_asks_for_an_older_image() -> None:
    assert "Take an image of 0.17.1 or older" in said({"swap-space": 4}, PINNED)[0]


def test_between_two_versions_that_were_read_it_is_only_doubtful() -> None:
    assert said({"kv-cache-memory-bytes": 1}, "0.10.1.1") != []
    assert said({"shutdown-timeout": 1}, "0.17.5")[0].startswith(
        "warning: hearth:images.vllm: vLLM 0.17.5 may not know"
    )


def test_a_version_newer_than_all_known_ones_makes_an_unknown_flag_doubtful() -> None:
    assert said({"made-up": 1}, "0.99.0")[0].startswith("warning: ")
    assert said({"made-up": 1}, PINNED)[0].startswith("error: ")


def test_a_value_that_the_version_refuses_is_told_below_its_field() -> None:
    (text,) = said({"max-lora-rank": 24}, PINNED, "lora_rank")
    assert text.startswith("error: hearth:models.a.lora_rank: --max-lora-rank can't be 24 in vLLM 0.32.0. Write one of")


def test_a_variable_that_the_version_does_not_read_is_a_warning() -> None:
    assert said({}, PINNED, VLLM_USE_V1="1")[0].startswith(
        "warning: hearth:images.vllm: vLLM 0.32.0 doesn't read VLLM_USE_V1"
    )
    assert said({}, PINNED, VLLM_NO_USAGE_STATS="1", HF_HOME="/x") == []


def test_an_argument_vector_is_read_back_as_people_write_flags() -> None:
    arguments = ("org/model", "--port", "8000", "--enable-lora", "--no-enforce-eager", "--x.y=-1", "--seed", "-1")
    assert flags_of(arguments) == {
        "port": "8000",
        "enable-lora": True,
        "no-enforce-eager": True,
        "x.y": "-1",
        "seed": "-1",
    }


def test_a_flag_of_peoples_own_is_told_once_and_below_their_path() -> None:
    models = {"a": {"source": "synthetic", "device": "cpu", "args": {"swap_space": 4}}}
    _, findings = build(Written({"models": models}, {}), "mine", [])
    said = {(one.path, one.severity) for one in findings if "swap" in str(one)}
    assert said == {("hearth:models.a.args.swap_space", Severity.ERROR)}
