"""What adopting a project says besides the configuration, gathered while its services are translated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.adopt.service import Origin, Service
from infra.config.secrets import check_secrets

# Wider than what is really secret: a value that is left out is told by its name, and costs one line to add.
_SECRET_NAME: Final = re.compile(
    r"(?i).*(token|api_?key|apikey|secret|passw(or)?d|passphrase|credential|private_?key|master_?key|salt|_key|_dsn|auth|cookie|database_url).*"
)
_LOGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]+@", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\b(sk-[\w-]{4,}|hf_\w{8,}|gh[pousr]_\w{10,}|Bearer\s+\S+|eyJ[\w-]{10,}\.[\w-]+)")
_SECRET_FLAG: Final = re.compile(r"-{0,2}[\w.-]*(api[-_]key|hf[-_]token|password|secret|[-_]token)", re.IGNORECASE)
# Names that look like it and aren't.
_OPEN: Final = frozenset({"tokenizers_parallelism", "max_tokens", "webui_auth", "tokenizer", "tokenizer-mode"})


@dataclass(frozen=True, order=True)
class Note:
    """One sentence about one service."""

    service: str
    text: str


@dataclass(frozen=True)
class Secret:
    """A secret of the stack that has a value today. `problem` says why today's can't stay; empty where it can."""

    name: str
    origin: Origin
    service: str
    problem: str = ""


@dataclass
class Told:
    """`changes` is what Hearth does otherwise, `homeless` what has no place in it, `secrets` what is to be set again."""

    changes: list[Note] = field(default_factory=list)
    homeless: list[Note] = field(default_factory=list)
    secrets: dict[str, Secret] = field(default_factory=dict)

    def change(self, service: str, text: str) -> None:
        """Tell what is done otherwise."""
        self.changes.append(Note(service, text))

    def no_place(self, service: str, text: str) -> None:
        """Tell what isn't carried."""
        self.homeless.append(Note(service, text))

    def secret(self, name: str, service: Service, variable: str, value: str | None = None) -> None:
        """Note a secret's place; its value is looked at once, to say whether Hearth takes it, and not kept."""
        text = service.environment.get(variable, "") if value is None else value
        if not text.strip():
            return
        findings = check_secrets({name: text})
        origin = service.origins.get(variable, Origin("compose", variable))
        problem = findings[0].problem if findings else ""
        self.secrets.setdefault(name, Secret(name, origin, service.name, problem))


def is_secret(name: str, value: object) -> bool:
    """Whether a variable's or a flag's value must not be shown."""
    if name.lower() in _OPEN:
        return False
    text = str(value)
    named = _SECRET_NAME.fullmatch(name) is not None and text.lower() not in {"true", "false", "0", "1", ""}
    return named or _LOGIN.match(text) is not None or _TOKEN.search(text) is not None


def shown(text: str) -> str:
    """Return a text with what looks like a key or a login taken out."""
    return _TOKEN.sub("…", _LOGIN.sub(lambda match: match[0].partition("://")[0] + "://…@", text))


def without_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command line with the values of secret flags taken out."""
    cleaned: list[str] = []
    hidden = False
    for word in words:
        name, equals, _ = word.partition("=")
        is_flag = word.startswith("-")
        hidden = hidden and not is_flag
        if is_flag and _SECRET_FLAG.fullmatch(name):
            cleaned.append(f"{name}=…" if equals else name)
            hidden = not equals
        else:
            cleaned.append("…" if hidden else shown(word))
    return tuple(cleaned)
