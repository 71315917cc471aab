"""From which version on vLLM behaves otherwise: each side of every boundary."""

from __future__ import annotations

import pytest

from infra.catalogue.versions import NEWEST, behaviour_of, is_newer_than_known, parse_version
from infra.memory.runner import is_second_runner
from tests.unit.memory.specs import LLAMA, engine


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.19.0", (0, 19, 0)),
        ("v0.10.1.dev101+gbda9d0535", (0, 10, 1)),
        ("0.8.5.post1", (0, 8, 5)),
        ("0.29", (0, 29, 0)),
        ("latest", None),
        ("", None),
    ],
)
def test_a_version_is_read(text: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("field", "last", "before", "first", "after"),
    [
        ("engine", "0.7.3", "V0", "0.8.0", "V1"),
        ("default_fraction", "0.19.1", 0.9, "0.20.0", 0.92),
        ("charges_neighbours", "0.6.4", True, "0.6.5", False),
        ("charges_neighbours", "0.9.0", True, "0.9.1", False),
        ("checks_free_memory", "0.9.0", False, "0.9.1", True),
        ("groups_hybrid_layers", "0.9.0", False, "0.9.1", True),
        ("a100_is_small", "0.8.5", False, "0.9.0", True),
        ("gb10_is_small", "0.32.0", False, "0.33.0", True),
        ("graph_kind", "0.10.2", "piecewise", "0.11.0", "full"),
        ("padded_group_share", "0.17.1", 1.25, "0.18.0", 1.5),
        ("minimum_pool_rule", "0.18.1", "first group", "0.19.0", "groups"),
        ("graphs_inside_budget", "0.19.1", False, "0.20.0", True),
        ("graphs_inside_budget_amd", "0.25.1", False, "0.26.0", True),
        ("tokens_from_concurrency", "0.20.0", False, "0.20.1", True),
        ("sampler", "0.16.0", "sort", "0.17.0", "triton"),
        ("sampler", "0.20.2", "triton", "0.21.0", "flashinfer"),
        ("sampler_or", "0.11.0", "flashinfer", "0.11.1", ""),
        ("batches_in_flight", "0.25.1", 1, "0.26.0", 2),
        ("null_blocks", "0.28.0", 0, "0.29.0", 1),
        ("mla_padded_values", "0.7.3", 640, "0.8.0", 0),
    ],
)
def test_a_rule_changes_with_its_version(field: str, last: str, before: object, first: str, after: object) -> None:
    assert getattr(behaviour_of(last), field) == before
    assert getattr(behaviour_of(first), field) == after


def test_a_newer_version_follows_the_newest_known_one() -> None:
    newest, newer = behaviour_of(NEWEST), behaviour_of("9.9.9")
    assert newer.sampler == newest.sampler
    assert (is_newer_than_known(NEWEST), is_newer_than_known("9.9.9")) == (False, True)


@pytest.mark.parametrize("text", ["0.4.3", "main", "0.1.dev1+g6804e1b81"])
def test_what_is_no_known_version_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|older"):
        behaviour_of(text)


@pytest.mark.parametrize(
    ("version", "capability", "engine_name"),
    [
        ("0.8.5", 7.5, "V0"),
        ("0.10.1.1", 7.5, "V0"),
        ("0.10.2", 7.5, "V1"),
        ("0.8.5", 8.0, "V1"),
        ("0.8.5", None, "V1"),
        ("0.7.3", 7.5, "V0"),
    ],
)
def test_old_cards_had_the_old_engine_for_longer(version: str, capability: float | None, engine_name: str) -> None:
    assert behaviour_of(version, capability).engine == engine_name


@pytest.mark.parametrize(
    ("gpu", "version", "offline", "tokens", "sequences"),
    [
        ("L40S", "0.19.0", False, 2048, 256),
        ("L40S", "0.19.0", True, 8192, 256),
        ("H100", "0.19.0", False, 8192, 1024),
        ("H100", "0.19.0", True, 16384, 1024),
        ("H100", "0.8.3", False, 8192, 1024),
        ("L40S", "0.8.3", False, 2048, 1024),
        ("A100 80GB", "0.8.5", False, 8192, 1024),
        ("A100 80GB", "0.9.0", False, 2048, 256),
        ("H200", "0.28.0", False, 8192, 1024),
        ("B200", "0.28.0", False, 16384, 1024),
        ("B200", "0.27.1", False, 8192, 1024),
        ("GB10", "0.32.0", False, 8192, 1024),
        ("GB10", "0.33.0", False, 2048, 256),
    ],
)
def test_defaults_depend_on_the_card(gpu: str, version: str, offline: bool, tokens: int, sequences: int) -> None:  # noqa: FBT001 - a column
    spec = engine(LLAMA, gpu=gpu, version=version, offline=offline)
    assert (spec.batched_tokens, spec.sequences) == (tokens, sequences)


@pytest.mark.parametrize(
    ("context", "version", "tokens"),
    [
        (20000, "0.6.4", 20000),
        (32768, "0.6.4", 32768),
        (32769, "0.6.4", 512),
        (32769, "0.6.5", 2048),
        (100, "0.7.3", 2048),
    ],
)
def test_the_old_engine_profiles_the_whole_context_up_to_32k(context: int, version: str, tokens: int) -> None:
    assert engine(LLAMA, gpu="RTX 3090", version=version, context=context).batched_tokens == tokens


@pytest.mark.parametrize(
    ("model", "gpu", "version", "sampler"),
    [
        (LLAMA, "H100", "0.16.0", "sort"),
        (LLAMA, "H100", "0.17.0", "triton"),
        (LLAMA, "H100", "0.21.0", "flashinfer"),
        (LLAMA, "T4", "0.21.0", "triton"),
        (LLAMA, "MI300X", "0.21.0", "triton"),
        (LLAMA, "MI300X", "0.16.0", "sort"),
        (LLAMA, "H100", "0.23.0", "second runner"),
        ("openai/gpt-oss-20b", "H100", "0.28.0", "flashinfer"),
    ],
)
def test_who_samples_depends_on_version_and_card(model: str, gpu: str, version: str, sampler: str) -> None:
    assert engine(model, gpu=gpu, version=version).sampler_name == sampler


def test_a_picture_that_is_read_both_ways_fits_into_one_batch() -> None:
    before, after, text = (
        engine("google/gemma-4-31B-it", gpu="L40S", version=version, text_only=only).batched_tokens
        for version, only in (("0.21.0", False), ("0.22.0", False), ("0.22.0", True))
    )
    assert (before, after, text) == (2048, 2496, 2048)


@pytest.mark.parametrize(
    ("model", "quantized", "first"),
    [
        ("Qwen/Qwen3-8B", False, 22),
        (LLAMA, False, 23),
        ("Qwen/Qwen3-8B", True, 24),
        ("google/gemma-3-27b-it", False, 25),
        ("openai/gpt-oss-20b", True, 29),
        ("Qwen/Qwen3.5-27B", False, 29),
    ],
)
def test_the_second_runner_takes_models_one_version_after_another(model: str, quantized: bool, first: int) -> None:  # noqa: FBT001 - a column
    architecture = engine(model).checkpoint.architecture
    assert architecture is not None
    taken = [is_second_runner((0, minor, 0), architecture, quantized=quantized) for minor in range(18, 34)]
    assert taken == [minor >= first for minor in range(18, 34)]
