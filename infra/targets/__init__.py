"""Finds the targets in this folder: each sub-package defines TARGET."""

from __future__ import annotations

import importlib
import pkgutil

from infra.config.load import nearest
from infra.errors import Finding
from infra.targets.base import Target


def names() -> tuple[str, ...]:
    """Return the names of the targets that are here, sorted."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg))


def find(name: str) -> tuple[Target | None, list[Finding]]:
    """Return the target of that name, or the finding that says which there are."""
    if name not in names():
        return None, [Finding("hearth:target", f"no target is named {name!r}", nearest(name, names()))]
    target: Target = importlib.import_module(f"{__name__}.{name}").TARGET
    return target, []
