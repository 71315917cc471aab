"""Lines of an engine's log, made safe to show and easy to match.

vLLM puts a process, a level, a time and a source file before most lines, and each version does so differently:
`(EngineCore pid=243) ERROR 04-22 00:27:44 [core.py:857] text`, `ERROR 11-18 18:07:28 engine.py:366] text`,
`[rank0]: text`, `INFO:     text` (uvicorn).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A pydantic error prints whole configurations: nothing that names a cause stands so far to the right.
LONGEST = 2000
_LONGEST_SECRET = 400
HIDDEN = "***"

_SECRETS = (
    re.compile(r"\bhf_[A-Za-z0-9]{10,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{6,}"),
    re.compile(r"(?<=[Bb]earer )\s*[^\s'\",;]+"),
    # `--api-key x`, `'api_key': ['x']`, `api_key='x'`, `HF_TOKEN=x`, `hf_token='x'`
    re.compile(
        r"""(?ix) (?: (?<=api[_-]key) | (?<=hf[_-]token) | (?<=hub_token) | (?<=_password) | (?<=_secret) )
        (?: ['"]?\s*[=:]\s* | \s+ ) \[?\s* ['"]? (?!none\b|null\b|true\b|false\b) [^\s'",\])]+"""
    ),
    re.compile(r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"),
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PROCESS = re.compile(r"\s*(?:\([\w .-]*(?:rank|pid)=[^)]*\)|\[rank\d+\]:)\s?")
_LEVEL = re.compile(
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)"
    r"(?::\s+| \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]\s]+:\d+\]|[\w./]+\.py:\d+\]) ?)"
)
_STAMP = re.compile(
    r"(?:\([\w .-]*(?:rank|pid)=[^)]*\) ?)*(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d (?=[\[\w])"
)


@dataclass(frozen=True)
class Line:
    """`text` without its prefix; `level` as vLLM prints it, empty for what Python or a library printed itself."""

    level: str
    text: str


def mask(text: str) -> str:
    """Return the text without anything that looks like a hub token, an API key, a bearer value or a password."""
    for secret in _SECRETS:
        text = secret.sub(HIDDEN, text)
    return text


def tidy(raw: str) -> str:
    """Return a raw line masked, without colours, and at most LONGEST characters long."""
    text = _COLOURS.sub("", raw)
    if len(text) > LONGEST + _LONGEST_SECRET:
        # Masked before it is cut, and cut again: half a token at the end would not be known as one.
        return mask(text[: LONGEST + _LONGEST_SECRET])[:-_LONGEST_SECRET][:LONGEST].rstrip()
    return mask(text).rstrip()[:LONGEST]


def parse(raw: str) -> Line:
    """Split a raw line into its level and its text, tidied."""
    text = tidy(raw)
    level = ""
    while True:
        process = _PROCESS.match(text)
        if process is not None and process.end():
            text = text[process.end() :]
            continue
        found = _LEVEL.match(text) if not level else None
        if found is None:
            return Line(level, text)
        level, text = found["level"], text[found.end() :]


def pieces(raw: str) -> Iterator[Line]:
    """Take apart what progress bars glue together: they end with a carriage return, or with nothing at all.

    Only the first stamp of a line is one: a later one may be part of what a user wrote.
    """
    for part in raw.split("\r"):
        stamp = _STAMP.search(part, 0, LONGEST)
        start = stamp.start() if stamp is not None else 0
        if part[:start].strip():
            yield parse(part[:start])
        yield parse(part[start:])
