"""Measure a drift check against `ansible-playbook --check` of the same containers; write docs/benchmarks-drift.md.

Usage: `make bench-drift` (needs what `make up` brings and a package index; uses a stack of its own and removes it).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.__main__ import Row, in_turn
from bench.ansible import PACKAGE, ensure, playbook
from bootstrap import console, paths, plugin
from infra.config.load import read_stack_file
from infra.pipeline import PROJECT, build, needed_secrets
from infra.targets.docker.mapping import Names
from tests.integration.conftest import local_values
from tests.integration.stacks import ROOT, TestStack

REPORT: Final = ROOT / "docs" / "benchmarks-drift.md"
AT_MOST: Final = 0.7


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (default 5)")
    options = parser.parse_args()
    console.hear_interrupts()
    folder = Path(tempfile.mkdtemp())
    (folder / "stack").mkdir()
    venv = ensure(paths.cache() / "ansible")
    stack = TestStack.make(folder / "stack", local_values())
    try:
        stack.bootstrap("up")
        written, found = read_stack_file(ROOT, stack.name)
        built, _ = build(written, stack.name, found)
        assert built is not None
        names = Names(PROJECT, stack.name)
        secrets = {
            name: stack.pulumi("config", "get", f"hearth:{name}").stdout.strip()
            for name in needed_secrets(built.workloads)
        }
        plays = {
            kind: playbook(built, names, secrets, ROOT, with_files=kind == "files") for kind in ("containers", "files")
        }
        rows = in_turn(
            options.rounds,
            hearth=lambda: _checked(["python", "-m", "infra", "drift", "--stack", stack.name], stack.environment),
            daemons=lambda: _checked(
                ["python", "-m", "infra", "drift", "--stack", stack.name, "--no-engine"], stack.environment
            ),
            ansible=_ansible(venv, folder / "containers.json", plays["containers"]),
            ansible_files=_ansible(venv, folder / "files.json", plays["files"]),
        )
        REPORT.write_text(report(rows, {kind: len(play[0]["tasks"]) for kind, play in plays.items()}))
        print(REPORT.read_text())
    finally:
        stack.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _checked(argv: list[str], environment: dict[str, str]) -> None:
    ran = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{' '.join(argv[:4])} ended with {ran.returncode}\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}")


def _ansible(venv: Path, file: Path, play: list[dict[str, Any]]) -> Callable[[], object]:
    """Return the check of a play. It has to find everything as declared, or it would do other work than Hearth."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(play))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(venv.parent),
        "ANSIBLE_PYTHON_INTERPRETER": str(venv / "bin" / "python"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        # Its fastest way: modules over one connection, without a file for each.
        "ANSIBLE_PIPELINING": "true",
        "LC_ALL": "C.UTF-8",
    }

    def run() -> None:
        argv = [str(venv / "bin" / "ansible-playbook"), "--check", "--diff", str(file)]
        ran = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode or "changed=0" not in ran.stdout:
            raise SystemExit(f"ansible-playbook ended with {ran.returncode}\n{ran.stdout[-4000:]}{ran.stderr[-2000:]}")

    return run


def report(rows: dict[str, Row], tasks: dict[str, int]) -> str:
    """Return docs/benchmarks-drift.md."""
    hearth, ansible = rows["hearth"], rows["ansible"]

    def line(name: str, row: Row, limit: str = "") -> str:
        spread = f"{min(row.seconds):.2f} to {max(row.seconds):.2f}"
        return f"| {name} | {row.median_s:.2f} | {spread} | {row.median_s / ansible.median_s:.2f} | {limit} |"

    return "\n".join(
        [
            "# Benchmark of the drift check",
            "",
            (
                "Whole commands on the running local stack with nothing to report, medians, in turn in the same run; ratios "
                f"are to `ansible-playbook --check` ({PACKAGE}, pipelining) of the same containers. Repeat with "
                "`make bench-drift`, which writes this page."
            ),
            "",
            (
                f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
                f"Python {platform.python_version()}; docker plugin: {plugin.in_use()}."
            ),
            "",
            "| what | median s | lowest to highest | ratio | at most |",
            "| --- | --- | --- | --- | --- |",
            line(f"`ansible-playbook --check`, {tasks['containers']} containers", ansible),
            line(f"the same with their files, {tasks['files']} tasks", rows["ansible_files"]),
            line("`python -m infra drift`: engine, containers, files, programs", hearth, f"{AT_MOST}"),
            line("the same without the engine", rows["daemons"]),
            "",
        ]
    )


if __name__ == "__main__":
    main()
