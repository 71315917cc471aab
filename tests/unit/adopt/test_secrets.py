"""The commands that carry a secret over: each is run, up to the pipe, and must print exactly the value."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.adopt.service import Origin
from infra.adopt.told import Secret, is_secret, shown, without_secrets
from infra.adopt.way import secret_lines

LINES = [
    "KEY={}",
    "export KEY={}",
    "KEY='{}'",
    'KEY="{}"',
    "KEY={}   ",
    "KEY={} # a remark",
    'KEY="{}" # a remark',
    "OTHER_KEY=wrong\nKEY=older\nKEY={}\nKEY2=wrong",
]
VALUES = ["sk-plain-value", "a#b/c&d=e", "with blank inside", "back\\slash"]
# In double quotes a backslash is an escape, which no pipe undoes: see below.
KEPT = [(line, value) for line in LINES for value in VALUES if not ('"' in line and "\\" in value)]


@pytest.mark.parametrize(("line", "value"), KEPT)
def test_the_pipe_prints_the_value(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / "it's.env"
    file.write_text(line.format(value) + "\n")
    (command,) = secret_lines(Secret("gatewayMasterKey", Origin("variable", "KEY", str(file)), "litellm"), "mine")
    pipe, _, target = command.partition(" | pulumi ")
    assert target == "config set --secret hearth:gatewayMasterKey --stack mine"
    assert value not in command
    assert (
        subprocess.run(["/bin/sh", "-c", pipe], capture_output=True, text=True, check=True).stdout.rstrip("\n") == value
    )


@pytest.mark.parametrize("text", ['KEY="a\\"b"', "NOTHING=1"])
def test_what_no_pipe_can_read_is_asked_for(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".env"
    file.write_text(text)
    (command,) = secret_lines(Secret("hfToken", Origin("variable", "KEY", str(file)), "vllm"), "mine")
    assert command.startswith("pulumi config set --secret hearth:hfToken --stack mine")


def test_a_shell_s_variable_isn_t_in_the_list_of_processes() -> None:
    (command,) = secret_lines(Secret("hfToken", Origin("shell", "HF_TOKEN"), "vllm"), "mine")
    assert command == 'printf %s "$HF_TOKEN" | pulumi config set --secret hearth:hfToken --stack mine'


def test_a_value_that_hearth_refuses_isn_t_carried() -> None:
    secret = Secret(
        "gatewayMasterKey", Origin("compose", "LITELLM_MASTER_KEY"), "litellm", "is the default that everybody knows"
    )
    (command,) = secret_lines(secret, "mine")
    assert command.startswith("# ")
    assert "`make up` makes a new one" in command


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("HF_TOKEN", "x", True),
        ("DB", "postgresql://me:pw@db/x", True),
        ("PLAIN", "Bearer abc", True),
        ("OPENAI_API_KEYS", "a;b", True),
        ("ENABLE_API_KEY", "true", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("NCCL_DEBUG", "INFO", False),
        ("PROXY", "http://proxy:3128", False),
    ],
)
def test_what_looks_like_a_secret(name: str, value: str, *, wanted: bool) -> None:
    assert is_secret(name, value) is wanted


def test_command_lines_are_shown_without_secrets() -> None:
    words = (
        "--api-key",
        "one",
        "two",
        "--hf-token=three",
        "--max-num-batched-tokens",
        "512",
        "--x",
        "https://a:b@c/d",
        "sk-abcdef",
    )
    assert without_secrets(words) == (
        "--api-key", "…", "…", "--hf-token=…", "--max-num-batched-tokens", "512", "--x", "https://…@c/d", "…",
    )  # fmt: skip
    assert shown("openai/gpt-4o") == "openai/gpt-4o"
