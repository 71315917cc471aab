"""The Docker target under Pulumi's mocks: which resources, with which inputs. What they do is proved on real parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks as runtime

from infra.config.load import read_stack_file
from infra.config.secrets import SecretRef
from infra.errors import raise_errors
from infra.pipeline import build, needed_secrets
from infra.services.base import secret_file
from infra.targets.base import Deployment
from infra.targets.docker import gate
from infra.targets.docker.declared import COMPONENT, sites
from infra.targets.docker.mapping import Names

ROOT = Path(__file__).parents[3]


class Recorder(runtime.Mocks):
    def __init__(self) -> None:
        self.kept: dict[str, bool | None] = {}
        self.made: list[runtime.MockResourceArgs] = []
        self.declared: set[tuple[str, str]] = set()

    def new_resource(self, args: runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made.append(args)
        return f"{args.name}-id", {**args.inputs, "imageId": f"sha256:{args.name}"}

    def note(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Remember what a resource's options say of its end: mocks are told of inputs alone."""
        if args.type_.endswith(":Volume"):
            self.kept[args.name] = args.opts.retain_on_delete

    def call(self, args: runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError(args.token)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {args.name: args.inputs for args in self.made if args.typ.endswith(f":{kind}")}


@pytest.fixture(params=["local", "prod"])
def recorder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    # Mocks have no callback server and no containers: what waits is proved by the integration suite.
    monkeypatch.setattr(gate, "hooks", lambda *_: None)
    # As an Output, as it is for a step: what comes after depends on it.
    monkeypatch.setattr(gate, "verify", lambda _, container, *__: container.id.apply(lambda _: container))
    made = Recorder()
    runtime.set_mocks(made, project="hearth", stack=request.param, preview=False)
    written, found = read_stack_file(ROOT, request.param)
    built, findings = build(written, request.param, found)
    raise_errors(findings)
    assert built is not None

    @pulumi.runtime.test  # type: ignore[untyped-decorator]  # pulumi gives it no types
    def deploy() -> None:
        secrets = {name: pulumi.Output.secret(f"value of {name}") for name in needed_secrets(built.workloads)}
        noted = pulumi.ResourceOptions(transformations=[made.note])
        parent = pulumi.ComponentResource("hearth:index:Stack", request.param, opts=noted)
        built.target.deploy(Deployment("hearth", request.param, ROOT, built.config, built.workloads, secrets), parent)

    deploy()
    parts = sites(built.config, built.workloads, Names("hearth", request.param), ROOT).values()
    made.declared = {(resource.kind, resource.name) for part in parts for resource in part.resources()}
    return made


WITHOUT_CLIENT = {"dcgm-exporter", "nginx-exporter"}


def test_every_workload_is_one_container_with_a_health_check(recorder: Recorder) -> None:
    containers = recorder.of("Container")
    assert len(containers) >= 9
    steps = {name for name in containers if name.startswith("prefetch-")}
    for name, inputs in containers.items():
        # A step that runs to its end is judged by its exit code; images without any client, by Prometheus.
        unasked = name in steps or name in WITHOUT_CLIENT
        assert (name in steps) == (not inputs["mustRun"])
        assert unasked == ("healthcheck" not in inputs)
        assert unasked or inputs["healthcheck"]["tests"][0] == "CMD"
        assert inputs["wait"] is False


def test_a_program_that_supervises_is_the_first_process_and_comes_back_with_the_host(recorder: Recorder) -> None:
    for inputs in recorder.of("Container").values():
        supervises = "/opt/hearth/engine/run.py" in str(inputs["uploads"])
        assert inputs["init"] is not supervises
        assert not supervises or inputs["restart"] == "unless-stopped"


def test_secrets_are_uploads_and_nothing_else(recorder: Recorder) -> None:
    containers = recorder.of("Container")
    # A list with one secret in it travels as a secret whole.
    with_secrets = [inputs for inputs in containers.values() if isinstance(inputs["uploads"], dict)]
    without = [name for name, inputs in containers.items() if not isinstance(inputs["uploads"], dict)]
    assert with_secrets
    assert {name for name in without if not name.startswith("prefetch-")} == {
        "alertmanager",
        "blackbox-exporter",
        "cadvisor",
        "nginx",
        "node-exporter",
        "prometheus",
    } | (WITHOUT_CLIENT & set(containers))
    assert all("/run/secrets/" in str(inputs["uploads"]["value"]) for inputs in with_secrets)
    for inputs in containers.values():
        rest = {key: value for key, value in inputs.items() if key != "uploads"}
        assert "value of" not in str(rest)


def test_a_secret_as_a_file_is_readable_by_whoever_the_program_runs_as(recorder: Recorder) -> None:
    (grafana,) = (inputs for name, inputs in recorder.of("Container").items() if name == "grafana")
    (upload,) = (one for one in grafana["uploads"]["value"] if one["file"] == grafana_password())
    assert (upload["permissions"], upload["content"]) == ("0444", "value of grafanaAdminPassword")
    assert f"GF_SECURITY_ADMIN_PASSWORD__FILE={upload['file']}" in grafana["envs"]
    assert grafana["entrypoints"] == ["/run.sh"]


def grafana_password() -> str:
    return secret_file(SecretRef("grafanaAdminPassword"))


def test_no_volume_is_deleted_with_its_stack(recorder: Recorder) -> None:
    assert set(recorder.kept) == set(recorder.of("Volume"))
    assert any("prometheus-data" in name for name in recorder.kept)
    assert all(recorder.kept.values())


def test_what_is_registered_is_what_was_declared(recorder: Recorder) -> None:
    """Policies, drift and `--target` read the declaration, and never the engine."""
    assert {(args.typ, args.name) for args in recorder.made if args.typ != COMPONENT} == recorder.declared


def test_no_resource_uses_a_default_provider(recorder: Recorder) -> None:
    kinds = [args for args in recorder.made if args.typ.startswith("docker:")]
    assert kinds
    assert all(args.provider for args in kinds)


def test_images_are_never_deleted_from_a_host(recorder: Recorder) -> None:
    images = recorder.of("RemoteImage")
    assert images
    assert all(inputs["keepLocally"] is True for inputs in images.values())
