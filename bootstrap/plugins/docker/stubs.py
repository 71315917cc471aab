"""The engine's RPC stubs from the pulumi wheel, without importing the pulumi package itself.

That import takes 0.3 s and pulls in the whole SDK; every provider of a program starts a plugin of its own, so the time counts.
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


if "pulumi" not in sys.modules:
    _as_folders("pulumi", "pulumi.runtime", "pulumi.runtime.proto")

from google.protobuf.empty_pb2 import Empty  # noqa: E402
from google.protobuf.struct_pb2 import Struct, Value  # noqa: E402
from pulumi.runtime.proto import (  # noqa: E402
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

__all__ = [
    "Empty",
    "Struct",
    "Value",
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
]
