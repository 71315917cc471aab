from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.schema import json_schema

ROOT = Path(__file__).parents[2]


def fields(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for name, field in node.get("properties", {}).items():
            yield f"{path}.{name}", field
        for key, below in node.items():
            yield from fields(below, path if key == "properties" else f"{path}/{key}")


FIELDS = dict(fields(json_schema(), ""))


def test_there_are_fields_to_look_at() -> None:
    assert len(FIELDS) > 100


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if "$ref" not in field])
def test_every_default_is_documented_with_its_reason(path: str) -> None:
    field = FIELDS[path]
    if field.get("type") == "object" and "properties" in field:
        return
    text = field.get("description", "")
    assert text, f"{path} has no description"
    if field.get("default") not in (None, [], {}):
        assert "(default" in text, f"{path} = {field['default']!r} says no reason: {text}"


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "docs" / "stack.schema.json").read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(json_schema())), "write it anew: python -m infra schema"


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_stack_files_name_the_schema_for_editors(stack: str) -> None:
    first = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=docs/stack.schema.json"
