"""The suite that people run on their own hosts has a test for everything that is declared; what it finds is proved live."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.golden_files import ROOT


def collected(*options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "tests/host", "--collect-only", "-q", *options]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("stack", "wanted"),
    [
        ("local", ["test_it_runs[local-tiny-chat-1]", "test_the_gateway_answers_for_every_model[minilm]"]),
        ("prod", ["test_its_processes_are_on_its_cards[gpu-a-coder]", "test_it_is_healthy[gpu-a-dcgm-exporter]"]),
    ],
)
def test_it_has_tests_for_hosts_containers_engines_and_models(stack: str, wanted: list[str]) -> None:
    ran = collected("--stack", stack)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in wanted:
        assert name in ran.stdout


def test_a_stack_or_host_that_is_not_there_is_one_clear_line() -> None:
    for options, said in (
        (("--stack", "absent"), "Pulumi.absent.yaml"),
        (("--stack", "prod", "--on", "gpu-b"), "--on: the stack has nothing on gpu-b; it has gpu-a"),
    ):
        ran = collected(*options)
        assert ran.returncode not in {0, 5}
        assert said in ran.stdout + ran.stderr
        assert "Traceback" not in ran.stdout + ran.stderr
