"""Measure previews, drift checks and the way to the first chat; write docs/benchmarks.md.

Usage: `make bench` (needs what `make up` brings; uses a stack of its own and removes it).
Every figure is a median of whole commands; peers run in turn with Hearth, so that a slower minute hits both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from bench.compose import compose_file
from bootstrap import console, plugin
from bootstrap.stack import PARALLEL, pulumi
from infra.config.load import read_stack_file
from infra.pipeline import build, needed_secrets
from tests.integration.conftest import local_values
from tests.integration.stacks import ROOT, TestStack, ask, docker

EMPTY: Final = """name: empty
runtime: {name: python}
"""
REPORT: Final = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Row:
    """One measured thing: seconds per run."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """Return the median."""
        return statistics.median(self.seconds)


def timed(run: Callable[[], object]) -> float:
    """Return how long one call takes, in seconds."""
    start = time.monotonic()
    run()
    return time.monotonic() - start


def in_turn(rounds: int, **runs: Callable[[], object]) -> dict[str, Row]:
    """Run every command once per round, after one round that isn't counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for counted in range(rounds + 1):
        for name, run in runs.items():
            took_s = timed(run)
            if counted:
                seconds[name].append(took_s)
            print(f"  {name}: {took_s:.2f} s", file=sys.stderr)
    return {name: Row(name, tuple(values)) for name, values in seconds.items()}


def empty_program(folder: Path, environment: dict[str, str]) -> Callable[[], object]:
    """Return the preview of a Pulumi program with nothing in it: the floor of every preview."""
    project = folder / "empty"
    project.mkdir()
    (project / "Pulumi.yaml").write_text(EMPTY)
    (project / "__main__.py").write_text("import pulumi\n")
    state = {**environment, "PULUMI_BACKEND_URL": f"file://{folder / 'empty-state'}"}
    (folder / "empty-state").mkdir()

    def run(*arguments: str) -> object:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"], cwd=project, env=state, check=True, capture_output=True
        )

    run("stack", "init", "empty")
    return lambda: run("preview")


def first_chat_s(argv: list[str], environment: dict[str, str], url: str, key: str) -> float:
    """Return the seconds from a start to the first answered chat; the command may still be busy with the rest then."""
    body = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    begin = time.monotonic()
    run = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            if ask(f"{url}/v1/chat/completions", key=key, body=body, timeout_s=30).status == 200:  # noqa: PLR2004 - HTTP
                took_s = time.monotonic() - begin
                break
        except OSError:
            pass
        if run.poll():
            raise SystemExit(f"{argv[0]} ended with {run.returncode}")
        time.sleep(0.2)
    run.wait()
    return took_s


def against_compose(stack: TestStack, folder: Path, rounds: int) -> dict[str, Row]:
    """Measure the way from built images to the first chat, in turn with docker-compose."""
    outputs = stack.outputs()
    written, found = read_stack_file(ROOT, stack.name)
    built, _ = build(written, stack.name, found)
    assert built is not None
    secrets = {
        name: stack.pulumi("config", "get", f"hearth:{name}").stdout.strip() for name in needed_secrets(built.workloads)
    }
    file = folder / "compose.yaml"
    file.write_text(yaml.safe_dump(compose_file(built, secrets, folder / "files", ROOT)))
    compose = ["docker-compose", "-f", str(file), "-p", f"compose-{stack.name}"]
    url, key = outputs["frontDoorUrl"], outputs["masterKey"]
    seconds: dict[str, list[float]] = {"hearth": [], "compose": []}
    up = pulumi(stack.name, "up", "--yes", "--skip-preview", "--parallel", PARALLEL)
    for _ in range(rounds):
        stack.pulumi("destroy", "--yes", "--skip-preview")
        seconds["hearth"].append(first_chat_s(up, stack.environment, url, key))
        stack.pulumi("destroy", "--yes", "--skip-preview")
        seconds["compose"].append(first_chat_s([*compose, "up", "-d"], dict(os.environ), url, key))
        subprocess.run([*compose, "down", "-v"], check=True, capture_output=True)
        print(f"  first chat: {json.dumps({name: values[-1] for name, values in seconds.items()})}", file=sys.stderr)
    return {name: Row(name, tuple(values)) for name, values in seconds.items()}


def memory_gib(stack: TestStack) -> dict[str, float]:
    """Return each container's memory, by instance."""
    factor = {"KiB": 2**-20, "MiB": 2**-10, "GiB": 1.0}
    found = {}
    for instance, container in stack.containers().items():
        used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container).split(" / ")[0]
        found[instance] = float(used[:-3]) * factor[used[-3:]]
    return dict(sorted(found.items()))


def report(rows: dict[str, Row], start: dict[str, Row], memory: dict[str, float], plugin: str) -> str:
    """Return docs/benchmarks.md."""
    empty, preview, drift = rows["empty"], rows["preview"], rows["drift"]

    def line(name: str, row: Row, ratio: float | None, limit: str) -> str:
        spread = f"{min(row.seconds):.2f} to {max(row.seconds):.2f}"
        return f"| {name} | {row.median_s:.2f} | {spread} | {f'{ratio:.2f}' if ratio else ''} | {limit} |"

    lines = [
        "# Benchmarks",
        "",
        "Whole commands, medians; peers in turn in the same run. Repeat with `make bench`, which writes this page.",
        "",
        (
            f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}; docker plugin: {plugin}."
        ),
        "",
        "| what | median s | lowest to highest | ratio | at most |",
        "| --- | --- | --- | --- | --- |",
        line("preview of an empty Pulumi program", empty, None, ""),
        line("`pulumi preview`, local stack, nothing to do", preview, preview.median_s / empty.median_s, "2"),
        line("drift check of the whole local stack", drift, drift.median_s / empty.median_s, "5"),
        line("compose file with the same containers, to the first chat", start["compose"], None, ""),
        line(
            "`pulumi up`, to the first chat",
            start["hearth"],
            start["hearth"].median_s / start["compose"].median_s,
            "1.1",
        ),
        "",
        f"Memory of the local stack: {sum(memory.values()):.1f} GiB (limit 12).",
        "",
        "| container | GiB |",
        "| --- | --- |",
        *[f"| {name} | {used:.2f} |" for name, used in memory.items()],
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each preview (default 5)")
    parser.add_argument("--starts", type=int, default=3, help="counted starts of the whole stack (default 3)")
    options = parser.parse_args()
    console.hear_interrupts()
    folder = Path(tempfile.mkdtemp())
    (folder / "stack").mkdir()
    stack = TestStack.make(folder / "stack", local_values())
    try:
        stack.bootstrap("up")
        rows = in_turn(
            options.rounds,
            empty=empty_program(folder, stack.environment),
            preview=lambda: stack.pulumi("preview", "--expect-no-changes"),
            drift=lambda: stack.pulumi("preview", "--refresh", "--expect-no-changes"),
        )
        memory = memory_gib(stack)
        start = against_compose(stack, folder, options.starts)
        REPORT.write_text(report(rows, start, memory, plugin.in_use()))
        print(REPORT.read_text())
    finally:
        stack.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
