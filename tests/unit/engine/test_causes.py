"""Every cause, over the lines that vLLM printed when it happened.

Each file of cases/CAUSE holds one log: its lines are those of its source, shortened (a log's prefix put in where the
source quotes only the message); where the source is a file of vLLM, they are its text with figures put in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalogue.rendered import _FIELDS as CATALOGUE_FIELDS
from infra.services.assets.engine.causes import RECENT_LINES, TABLE, Cause, Ending, Evidence
from infra.services.assets.engine.lines import LONGEST, mask, parse, tidy
from infra.services.assets.engine.values import _FIELDS as FIELDS

CASES = Path(__file__).with_name("cases")
FILES = sorted(CASES.rglob("*.json"))
# Causes that no text tells: the supervisor or the kernel does.
TOLD_BY_THE_ENDING = {"killed_for_memory", "hung", "start_timeout", "killed", "engine_died", "unknown"}
FIXED_IN = (
    "hearth:models.coder.",
    "hearth:images.vllm",
    "hearth:hfToken",
    "the host's d",
    "the card",
    "the host reaches",
)
DIED = (
    "ERROR 01-16 17:16:49 [core_client.py:605] Engine core proc EngineCore_DP0 died unexpectedly, shutting down client."
)


def ending(**fields: Any) -> Ending:
    plain: dict[str, Any] = {
        "code": 1,
        "signal": None,
        "reason": "exit",
        "oom_kills": 0,
        "was_serving": False,
        "limit_s": 0.0,
    }
    return Ending(**(plain | fields))


def cause(lines: list[str], **fields: Any) -> Cause:
    evidence = Evidence("coder")
    for line in lines:
        evidence.read(line)
    return evidence.cause(ending(**fields))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_log_tells_its_cause_with_numbers_and_a_fix(file: Path) -> None:
    case = json.loads(file.read_text(encoding="utf-8"))
    found = cause(case["lines"], **case["ending"])
    assert (found.name, case["cause"]) == (file.parent.name, file.parent.name), found
    assert [part for part in case["says"] if part not in found.says] == [], found.says
    assert [part for part in case["fix"] if part not in found.fix] == [], found.fix
    assert any(place in found.fix for place in FIXED_IN), found.fix
    assert case["source"]
    assert case["version"]
    assert not {"?", "{", "}"} & set(found.fix), found.fix


def test_every_cause_has_a_case_and_every_case_a_cause() -> None:
    known = {rule.cause for rule in TABLE} | TOLD_BY_THE_ENDING
    assert {file.parent.name for file in FILES} == known


def test_most_rules_are_seen_at_work() -> None:
    """A rule that a rule above always covers would never be a cause."""
    lines = {line for file in FILES for line in json.loads(file.read_text(encoding="utf-8"))["lines"]}
    seen = {next((rule for rule in TABLE if rule.pattern.search(parse(line).text)), None) for line in lines}
    unseen = [rule.pattern.pattern[:60] for rule in TABLE if rule not in seen]
    assert len(unseen) <= len(TABLE) // 6, unseen


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=80), max_size=20), st.integers(1, 127))
def test_any_other_lines_give_unknown(lines: list[str], code: int) -> None:
    assert cause(lines, code=code).name == "unknown"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([rule.pattern.pattern for rule in TABLE]) | st.text(max_size=60), max_size=12))
def test_no_line_breaks_the_reading(lines: list[str]) -> None:
    for fields in ({}, {"was_serving": True, "code": 0}, {"signal": 9, "code": None}, {"reason": "watchdog"}):
        found = cause(lines, **fields)
        assert found.says
        assert found.fix


SECRETS = st.one_of(
    st.text("abcdefghijkABCDEF0123456789", min_size=20, max_size=40).map(lambda text: f"hf_{text}"),
    st.text("abcdefghijkABCDEF0123456789", min_size=20, max_size=40).map(lambda text: f"sk-{text}"),
)
PLACES = (
    "vllm serve: error: unrecognized arguments: --api-key {}",
    "vllm serve: error: unrecognized arguments: --api-key={} x",
    "OSError: [Errno 28] No space left on device: '/x/{}'",
    "RuntimeError: 401 with Authorization: Bearer {}",
    "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: https://user:{}@hub/api",
    "ValueError: HF_TOKEN={}",
    "ValueError: non-default args: {{'api_key': ['{}'], 'x': 1}}",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB ({})",
    "ValueError: " + "x" * (LONGEST - 20) + " {}",
    "ValueError: " + "x" * (LONGEST + 370) + " {}",
    "ValueError: {}" + "x" * 9000,
)


@settings(deadline=None, max_examples=40)
@given(SECRETS, st.sampled_from(PLACES), st.sampled_from([1, 2]))
def test_no_secret_reaches_what_is_shown(secret: str, place: str, code: int) -> None:
    found = cause([place.format(secret)], code=code)
    for shown in (found.says, found.fix, found.line):
        assert secret[4:16] not in shown


def test_half_a_token_where_a_long_line_is_cut_is_not_left() -> None:
    token = "hf_" + "a1B2" * 9
    for before in range(LONGEST + 340, LONGEST + 420):
        # The hidden tokens make the line shorter, so that its cut end comes into what is kept.
        hidden = f"{token} " * 20
        assert "a1B2" not in tidy(hidden + "x" * (before - len(hidden)) + " " + token + " y" * 400)


def test_a_plain_password_and_a_bearer_value_are_hidden_as_well() -> None:
    assert "jiangxin" not in mask("error: unrecognized arguments: serve --api-key jiangxin")
    assert "abc" not in mask("authorization: Bearer abc")
    assert (
        mask("api_key=None, hf_overrides=None, hf_hub_download(") == "api_key=None, hf_overrides=None, hf_hub_download("
    )


def test_a_warning_is_a_cause_only_when_nothing_else_is() -> None:
    warning = "WARNING 01-16 17:16:49 [core.py:1] OSError: [Errno 28] No space left on device"
    assert cause([warning]).name == "disk_full"
    assert cause([warning, "OSError: [Errno 98] Address already in use"]).name == "port_taken"


def test_what_is_said_to_inform_is_never_a_cause() -> None:
    asked = "(APIServer pid=1) DEBUG 04-22 01:05:36 [repo_utils.py:243] Repository Not Found for url: https://hub/x."
    assert cause([asked, asked.replace("DEBUG", "INFO")]).name == "unknown"


def test_the_first_of_two_errors_in_the_table_wins_whichever_came_first() -> None:
    nccl = "RuntimeError: NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)"
    full = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    assert cause([nccl, full]).name == cause([full, nccl]).name == "gpu_memory"


@pytest.mark.parametrize(("quiet_lines", "name"), [(RECENT_LINES - 10, "nccl"), (RECENT_LINES + 10, "engine_died")])
def test_of_a_long_run_only_the_last_lines_count(quiet_lines: int, name: str) -> None:
    error = "ERROR 01-16 17:16:49 [a.py:1] RuntimeError: NCCL error: unhandled system error"
    quiet = ['INFO:     127.0.0.1:1 - "GET /health HTTP/1.1" 200 OK'] * quiet_lines
    assert cause([error, *quiet, DIED], was_serving=True, code=0).name == name


def test_a_cause_of_the_start_is_none_of_an_engine_that_served() -> None:
    refused = "ERROR 01-16 17:16:49 [serving.py:1]   Value error, max_tokens must be positive"
    assert cause([refused], was_serving=True, code=0).name == "engine_died"
    assert cause([refused]).name == "bad_flag"


def test_evidence_takes_no_more_memory_after_thousands_of_errors() -> None:
    evidence = Evidence("coder")
    for number in range(3_000):
        evidence.read(f"ERROR 01-16 17:16:49 [a.py:1] RuntimeError: NCCL error: {number}")
    assert len(evidence._first) == len(evidence._last) == 1
    assert not evidence._warned


def test_a_context_that_fits_is_named_and_one_of_nothing_is_not() -> None:
    text = "max seq len (4096) is larger than the maximum number of tokens that can be stored in KV cache ({})"
    assert "context: 3664" in cause([f"ValueError: The model's {text.format(3664)}"]).fix
    assert "context: 0" not in cause([f"ValueError: The model's {text.format(0)}"]).fix


def test_an_error_glued_to_a_progress_bar_is_read_and_one_that_a_user_quotes_is_not() -> None:
    error = "(EngineCore pid=2) ERROR 01-16 17:16:49 [a.py:1] ValueError: No available memory for the cache blocks."
    assert cause([f"Capturing CUDA graphs (decode, FULL):  92%|█| 47/51 [00:01<00:00]{error}"]).name == "kv_too_small"
    asked = f"INFO 04-12 18:37:02 [logger.py:39] Received request x: prompt: '{error}'"
    assert cause([asked]).name == "unknown"


def test_an_engine_that_is_up_and_answers_nothing_is_not_called_slow() -> None:
    evidence = Evidence("coder")
    evidence.read("INFO:     Application startup complete.")
    cause = evidence.cause(Ending(None, None, "start timeout", 0, was_serving=False, limit_s=600.0))
    assert cause.says == "not serving after 600 s, still without an answer to its first question"


def test_flags_stand_below_the_same_fields_here_and_in_the_catalogue() -> None:
    """The entry point is uploaded alone, so it has a table of its own."""
    shared = FIELDS.keys() & CATALOGUE_FIELDS.keys()
    assert len(shared) > 10
    assert {flag: FIELDS[flag] for flag in shared} == {flag: CATALOGUE_FIELDS[flag] for flag in shared}
