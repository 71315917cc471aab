from __future__ import annotations

from bootstrap import console


def pytest_configure() -> None:
    console.hear_interrupts()
