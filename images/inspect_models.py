"""Lets vLLM look once, inside the build of its image, at the model architectures named as arguments.

At every start vLLM asks what the architecture can do, in a process of its own that imports everything anew: 6 s. It keeps
the answer below its cache folder, keyed by the source file of the model, so an answer in the image saves that.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _here(inspect: Callable[[], object]) -> object:
    """Stand in for the process of its own, whose one purpose is to leave the GPU alone: there is none here."""
    return inspect()


if __name__ == "__main__":
    registry: Any = importlib.import_module("vllm.model_executor.models.registry")
    vars(registry)["_run_in_subprocess"] = _here
    for architecture in sys.argv[1:]:
        sys.stderr.write(f"inspecting {architecture}\n")
        registry.ModelRegistry.models[architecture].inspect_model_cls()
