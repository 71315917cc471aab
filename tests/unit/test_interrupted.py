"""A program that the engine ends, because an update has failed, has nothing of its own to say."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio
from infra.stack import end_quietly_when_told

async def wait() -> None:
    print("ready", flush=True)
    await asyncio.sleep(60)


end_quietly_when_told()
asyncio.new_event_loop().run_until_complete(wait())
"""


def test_an_interrupted_program_ends_at_once_and_without_a_traceback() -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert (running.returncode, said) == (130, "")
