"""Makes the engine's RPC stubs importable from the pulumi wheel without importing the pulumi package itself.

That import takes 0.3 s and pulls in the whole SDK; every provider of a program starts a plugin of its own, so the time counts.
Only the plugin's own process imports this module, before the stubs: in a process that uses the SDK too it would stand in its way.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def _as_folders(*names: str) -> None:
    """Registers empty packages that only know where their folder is, so that the stubs below them can be imported."""
    found = importlib.util.find_spec("pulumi")
    if found is None or found.origin is None:
        raise ImportError("the pulumi package is missing. Run `make up`, or pip install -r requirements.txt.")
    root = Path(found.origin).parent.parent
    for name in names:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules.setdefault(name, package)


_as_folders("pulumi", "pulumi.runtime", "pulumi.runtime.proto")
