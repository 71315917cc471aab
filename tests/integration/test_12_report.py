"""The report of the live stack, looked at by a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.stacks import TestStack
from tests.integration.test_1_chat import chat
from tests.tools import require

pytestmark = pytest.mark.integration


def report(stack: TestStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return stack.run(
        [sys.executable, "-m", "infra", "report", "--stack", stack.name, "--hours", "1", *arguments], check=True
    )


def test_a_browser_shows_the_page(local_stack: TestStack, outputs: dict[str, Any], tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    require(bool(browser), "no chromium is there: apt-get install chromium")
    assert chat(outputs, "tiny-coder", stream=False).status == 200
    page = tmp_path / "report.html"
    report(local_stack, "--html", str(page))
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}")
    shown = subprocess.run(
        [browser, *options, "--dump-dom", "--enable-logging=stderr", f"file://{page}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert shown.stdout.count("<svg") > 20
    assert shown.stdout.count("<path") > 200
    for words in ("Plan against observed", "tiny-chat-0", "Time to first token", "131,072"):
        assert words in shown.stdout
    # Its own policy forbids to load anything; a refusal would be told here.
    assert "Refused to load" not in shown.stderr
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page.read_text()) == []


def test_the_same_figures_as_data(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    del outputs
    found = json.loads(report(local_stack, "--json").stdout)
    tokens = next(one for one in found["engines"]["tiny-coder"] if one["name"] == "KV tokens")
    assert (tokens["planned"], tokens["seen"], tokens["difference"]) == (131072, 131072, 0)
