"""Argument vectors told apart, without what mustn't be in a report."""

from __future__ import annotations

import pytest

from infra.drift.look import apart

SERVE = ["vllm", "serve", "/m", "--port", "8000", "--enforce-eager"]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([*SERVE, "--max-logprobs", "7"], ("-", "… --max-logprobs 7")),
        (SERVE[:-1], ("… --enforce-eager", "-")),
        (
            ["vllm", "serve", "/m", "--port", "8001", "--enforce-eager"],
            ("… --port 8000 …", "… --port 8001 …"),
        ),
        ([*SERVE, "--api-key", "top secret"], ("-", "… --api-key …")),
        ([*SERVE, "--hf-token=top secret"], ("-", "… --hf-token=…")),
        ([*SERVE, "--x", "hf_topsecretsecret"], ("-", "… --x …")),
        (
            ["vllm", "serve", "/m", "--enforce-eager", "--port", "8000"],
            (" ".join(SERVE), "vllm serve /m --enforce-eager --port 8000"),
        ),
    ],
)
def test_only_what_differs_is_told(seen: list[str], told: tuple[str, str]) -> None:
    assert apart(SERVE, seen) == told
    assert "secret" not in str(apart(SERVE, seen))
