"""The part of the docker package's schema that the stand-in implements, for `pulumi package get-schema` and imports."""

import json
from collections.abc import Mapping

from . import VERSION
from .properties import Property, Resource, Rule


def package_schema(resources: Mapping[str, Resource], settings: Mapping[str, Property]) -> str:
    """The schema as JSON."""
    return json.dumps(
        {
            "name": "docker",
            "version": VERSION,
            "description": "Stand-in of the docker plugin: the resource types and inputs that Hearth uses",
            "provider": {"inputProperties": {name: row.shape.schema() for name, row in settings.items()}},
            "resources": {token: _resource(resource) for token, resource in resources.items()},
        }
    )


def _resource(resource: Resource) -> dict[str, object]:
    inputs = {name: row for name, row in resource.table.items() if row.rule is not Rule.OUTPUT}
    return {
        "properties": {name: row.shape.schema() for name, row in resource.table.items()},
        "inputProperties": {name: row.shape.schema() for name, row in inputs.items()},
        "requiredInputs": [name for name, row in inputs.items() if row.required],
    }
