"""Typed reading of a hub's config.json, where the same thing has several names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class UnknownShapeError(Exception):
    """A config.json whose shape can't be told: an unknown architecture, or keys that are missing or of a wrong type."""


@dataclass(frozen=True)
class Keys:
    """One section of a config.json. Names are tried in turn; a null counts as absent."""

    values: Mapping[str, Any]
    where: str = "config.json"

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def any(self, *names: str) -> Any:
        """Return the first value that is there, or None."""
        return next((self.values[name] for name in names if self.values.get(name) is not None), None)

    def integer(self, *names: str, default: int | None = None) -> int:
        """Return a whole number above or equal to zero.

        Raises UnknownShapeError when it is missing without a default, or no such number.
        """
        value = self.any(*names)
        if value is None:
            if default is None:
                raise UnknownShapeError(f"{self.where} has no {' or '.join(names)}")
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or int(value) != value:
            raise UnknownShapeError(f"{self.where}: {names[0]} is {value!r}, no whole number")
        return int(value)

    def optional(self, *names: str) -> int | None:
        """Return a whole number, or None where it is absent or not positive (upstream's ways to say "off")."""
        value = self.any(*names)
        return None if value is None or isinstance(value, bool) or value == -1 else self.integer(*names) or None

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return a switch."""
        value = self.any(*names)
        return default if value is None else bool(value)

    def text(self, *names: str, default: str = "") -> str:
        """Return a text; anything else counts as absent."""
        value = self.any(*names)
        return value if isinstance(value, str) else default

    def names(self, name: str) -> Sequence[str]:
        """Return a list of texts, empty when absent."""
        value = self.values.get(name)
        return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []

    def section(self, *names: str) -> Keys | None:
        """Return a nested section."""
        value = self.any(*names)
        return Keys(value, f"{self.where}: {names[0]}") if isinstance(value, Mapping) else None
