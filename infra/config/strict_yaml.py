"""YAML as the Pulumi engine reads it (Go's yaml.v3), and stricter than PyYAML: nothing written is lost in silence."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, ClassVar, Final

import yaml

# A stack file has some hundreds; aliases of aliases make billions out of a few lines.
_MOST_NODES: Final = 20_000
_FIRST_OF_NUMBER: Final = list("-+0123456789.")


class Loader(yaml.SafeLoader):
    """yes, no, on and off are text, and so are 1:30 and 2024-01-01; 1e3 is a number; a key may be there once."""

    # PyYAML's own table follows YAML 1.1.
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {  # type: ignore[misc]
        **{
            first: [("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"))]
            for first in "tTfF"
        },
        **{
            first: [("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"))] for first in ["~", "n", "N", ""]
        },
        **{
            first: [
                (
                    "tag:yaml.org,2002:int",
                    re.compile(r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$"),
                ),
                (
                    "tag:yaml.org,2002:float",
                    re.compile(
                        r"^[-+]?(?:(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$"
                        r"|^\.(?:nan|NaN|NAN)$"
                    ),
                ),
            ]
            for first in _FIRST_OF_NUMBER
        },
        "<": [("tag:yaml.org,2002:merge", re.compile(r"^<<$"))],
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Refuse a key that is there twice: only its last value would count."""
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse(text: str, loader_type: type[Loader] = Loader) -> Any:
    """Return the one document of a text; None for an empty one.

    Raises yaml.YAMLError with the place for what is no YAML, for a key that is there twice, for aliases that
    multiply or refer to themselves, and for what Python can't hold (a number of thousands of digits).
    """
    loader = loader_type(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, set())
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except ValueError as error:
        raise yaml.YAMLError(str(error)) from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int], open_nodes: set[int]) -> int:
    """Count what the node is with all its aliases written out."""
    if id(node) in open_nodes:
        raise yaml.constructor.ConstructorError(None, None, "an alias refers to what it is part of", node.start_mark)
    if id(node) not in known:
        open_nodes.add(id(node))
        parts = node.value if isinstance(node, yaml.SequenceNode | yaml.MappingNode) else []
        flat = [item for part in parts for item in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_count(item, known, open_nodes) for item in flat)
        open_nodes.remove(id(node))
        if known[id(node)] > _MOST_NODES:
            problem = f"with its aliases it has more than {_MOST_NODES} values"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return known[id(node)]
