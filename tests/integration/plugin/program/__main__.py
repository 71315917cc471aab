"""Declares the resources of the JSON file that PLUGIN_RESOURCES names: one program for every case of the suite.

A value `{"$secret": x}` becomes a secret, `{"$output": "name.attribute"}` another resource's output.
"""

import json
import os
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

KINDS = {"network": docker.Network, "volume": docker.Volume, "image": docker.RemoteImage, "container": docker.Container}

made: dict[str, Any] = {}


def value(given: Any) -> Any:
    if isinstance(given, list):
        return [value(item) for item in given]
    if not isinstance(given, dict):
        return given
    if "$secret" in given:
        return pulumi.Output.secret(given["$secret"])
    if "$output" in given:
        resource, _, attribute = given["$output"].partition(".")
        return getattr(made[resource], attribute)
    return {key: value(item) for key, item in given.items()}


declared = json.loads(Path(os.environ["PLUGIN_RESOURCES"]).read_text())
provider = docker.Provider("daemon", **declared["provider"])
for resource in declared["resources"]:
    options = pulumi.ResourceOptions(provider=provider, **resource.get("options", {}))
    made[resource["id"]] = KINDS[resource["kind"]](resource["id"], **value(resource["inputs"]), opts=options)
for name, given in declared.get("outputs", {}).items():
    pulumi.export(name, value(given))
