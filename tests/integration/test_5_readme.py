"""The README's commands do what it says: they are taken from it and run, on the tests' own stack."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.integration.stacks import ROOT, TestStack

pytestmark = pytest.mark.integration
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def shell(stack: TestStack, script: str) -> subprocess.CompletedProcess[str]:
    return stack.run(["bash", "-euo", "pipefail", "-c", script], check=False)


def adapted(script: str, stack: TestStack, outputs: dict[str, Any]) -> str:
    """The same commands for the stack of the tests instead of `local`, which belongs to whoever runs them."""
    port = outputs["frontDoorUrl"].rpartition(":")[2]
    return script.replace("--stack local", f"--stack {stack.name}").replace("127.0.0.1:8080", f"127.0.0.1:{port}")


def test_the_two_commands_are_what_the_suite_runs(local_stack: TestStack) -> None:
    assert BLOCKS[0] == "make up\nmake test\n"
    ran = local_stack.run(["make", "up", f"STACK={local_stack.name}"], check=True)
    assert "answered through the front door" in ran.stdout
    assert "docker plugin:" in ran.stdout


def test_the_question_is_answered(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    ran = shell(local_stack, adapted(BLOCKS[1].replace(". .hearth/env.sh", ":"), local_stack, outputs))
    assert ran.returncode == 0, ran.stderr
    assert '"choices"' in ran.stdout


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`make ([a-z-]+)", README))))
def test_every_make_command_exists(command: str) -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert command in {line.split()[0] for line in listed.splitlines()}


@pytest.mark.parametrize("command", ["check", "plan", "secrets", "images", "render", "schema"])
def test_every_infra_command_answers(local_stack: TestStack, command: str) -> None:
    assert command in README
    argv = ["python", "-m", "infra", command, *([] if command == "schema" else ["--stack", local_stack.name])]
    ran = local_stack.run(argv, check=True)
    assert ran.stdout.strip()


def test_doctor_and_drift_have_nothing_to_say(local_stack: TestStack) -> None:
    assert "✗" not in local_stack.bootstrap("doctor").stdout
    assert "what runs is what is declared" in local_stack.bootstrap("drift").stdout


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README)) - {""}))
def test_every_link_leads_somewhere(link: str) -> None:
    assert link.startswith("http") or (ROOT / link).exists()
