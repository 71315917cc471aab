"""Small files that are read while they are written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def replace_text(file: Path, text: str) -> None:
    """Write a file whole: a reader sees the old text or the new one. A full disk loses the news, not the engine."""
    new = file.with_suffix(".new")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.replace(file)
