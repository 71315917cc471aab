"""Variables of a compose file, as Docker Compose replaces them, and the .env files that they come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Docker Compose: the operators that may follow a name inside braces.
_OPERATOR: Final = re.compile(r":?[-?+]")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:=\s*(.*))?", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def dotenv(text: str) -> dict[str, str]:
    """Return the variables of a .env file: comments, `export`, and both kinds of quotes are understood."""
    found = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None and not line.lstrip().startswith("#"):
            found[match[1]] = _unquoted((match[2] or "").strip())
    return found


def _unquoted(text: str) -> str:
    if text[:1] == "'":
        return text[1:].partition("'")[0]
    if text[:1] == '"':
        inner = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if inner is not None:
            return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), inner[1])
    return re.split(r"\s+#", text, maxsplit=1)[0].strip()


def variable_of(text: str) -> str | None:
    """Return the one variable that a text is as a whole, as in ${KEY} or ${KEY:?say so}; None for other texts."""
    match = re.fullmatch(r"\$(?:\{([A-Za-z_]\w*)(?::?[?-][^}]*)?\}|([A-Za-z_]\w*))", text.strip())
    return (match[1] or match[2]) if match else None


def interpolated(tree: Any, variables: Mapping[str, str], missing: Callable[[str], None]) -> Any:
    """Return a tree with the variables in its values replaced; `missing` is told each that nobody has set."""
    if isinstance(tree, Mapping):
        return {key: interpolated(value, variables, missing) for key, value in tree.items()}
    if isinstance(tree, list):
        return [interpolated(item, variables, missing) for item in tree]
    return substituted(tree, variables, missing) if isinstance(tree, str) and "$" in tree else tree


def substituted(text: str, variables: Mapping[str, str], missing: Callable[[str], None]) -> str:
    """Return one text with its variables replaced; `$$` is a dollar sign."""
    parts, at = [], 0
    while at < len(text):
        following = text[at + 1 : at + 2]
        if text[at] != "$" or not following:
            parts.append(text[at])
            at += 1
        elif following == "$":
            parts.append("$")
            at += 2
        elif following == "{":
            end = _closing(text, at + 2)
            parts.append(_expression(text[at + 2 : end], variables, missing))
            at = end + 1
        else:
            name = _NAME.match(text, at + 1)
            parts.append(_value(name[0], variables, missing) if name else "$")
            at = name.end() if name else at + 1
    return "".join(parts)


def _closing(text: str, at: int) -> int:
    depth = 1
    while at < len(text):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return at
        at += 1
    return at


def _expression(text: str, variables: Mapping[str, str], missing: Callable[[str], None]) -> str:
    name = _NAME.match(text)
    if name is None:
        return ""
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        return _value(name[0], variables, missing)
    value = variables.get(name[0])
    # With a colon, an empty variable counts as one that isn't set.
    is_set = value is not None and (bool(value) or ":" not in operator[0])
    word = text[operator.end() :]
    if operator[0][-1] == "+":
        return substituted(word, variables, missing) if is_set else ""
    if is_set:
        return str(value)
    return substituted(word, variables, missing) if operator[0][-1] == "-" else _value(name[0], {}, missing)


def _value(name: str, variables: Mapping[str, str], missing: Callable[[str], None]) -> str:
    if name not in variables:
        missing(name)
    return variables.get(name, "")
