"""The JSON schema of a stack file, for editors: the root's and every service's section in one."""

from __future__ import annotations

from typing import Any

from infra.config.schema import StackConfig
from infra.config.secrets import SECRETS
from infra.services import registry


def json_schema() -> dict[str, Any]:
    """Return the schema of `Pulumi.<stack>.yaml`."""
    definitions: dict[str, Any] = {}
    own = StackConfig.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions |= own.pop("$defs", {})
    properties = {f"hearth:{key}": value for key, value in own["properties"].items()}
    for service in registry().values():
        section = service.settings_type.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= section.pop("$defs", {})
        head, _, rest = service.section.partition(".")
        if rest:
            owner = properties.setdefault(
                f"hearth:{head}", {"type": "object", "additionalProperties": False, "properties": {}}
            )
            owner["properties"][rest] = section
        else:
            properties[f"hearth:{head}"] = section
    for secret in SECRETS.values():
        properties[f"hearth:{secret.name}"] = {
            "type": "object",
            "description": secret.description,
            "properties": {"secure": {"type": "string", "description": "written by `pulumi config set --secret`"}},
            "required": ["secure"],
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hearth stack file",
        "type": "object",
        "properties": {"config": {"type": "object", "properties": properties}},
        "$defs": definitions,
    }
