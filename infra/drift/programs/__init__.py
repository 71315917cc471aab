"""What programs have in effect, and what they keep in databases of their own, against what is declared.

A new look is one function and its place in PROGRAMS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from infra.drift.programs.engine import engine
from infra.drift.programs.grafana import grafana
from infra.drift.programs.inside import Inside, Note, Told, UnaskedError, runner
from infra.drift.programs.litellm import litellm
from infra.drift.programs.open_webui import open_webui
from infra.drift.programs.prometheus import alertmanager, prometheus

Look = Callable[[Inside], Iterator[Told | Note]]
# By service.
PROGRAMS: Final[Mapping[str, tuple[Look, ...]]] = {
    "vllm": (engine,),
    "litellm": (litellm,),
    "open_webui": (open_webui,),
    "grafana": (grafana,),
    "prometheus": (prometheus,),
    "alertmanager": (alertmanager,),
}

__all__ = ["PROGRAMS", "Inside", "Note", "Told", "UnaskedError", "runner"]
