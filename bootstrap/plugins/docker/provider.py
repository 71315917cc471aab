"""The plugin's service: what the engine asks, answered from the resource types' tables."""

import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from . import OFFICIAL, VERSION
from .container import Container
from .container_life import NotReadyError
from .daemon import Daemon, DaemonError, UnreachableError, default_host
from .engine import Engine
from .network import Network
from .properties import (
    Property,
    Resource,
    Rule,
    changes,
    check,
    drifted_inputs,
    imported_inputs,
    observed,
    places,
    previewed,
)
from .remote_image import RemoteImage
from .schema import package_schema
from .shapes import FLAG, NOT_HERE, SET, TEXT
from .stubs import Empty, Struct, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from .values import Properties, decode, encode, from_text, has_unknown, plain, without_secrets
from .volume import Volume

RESOURCES: dict[str, Resource] = {
    resource.kind: resource for resource in (Container(), Network(), Volume(), RemoteImage())
}

SETTINGS = {
    "host": Property(TEXT, Rule.UPDATE),
    "sshOpts": Property(SET, Rule.UPDATE),
    "disableDockerDaemonCheck": Property(FLAG, Rule.UPDATE),
}
"""The inputs of pulumi:providers:docker that are implemented."""

_IGNORED = {"version", "pluginDownloadURL"}
"""Settings that are meant for the engine."""


class RefusedError(Exception):
    """Something that only the official plugin does."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} {NOT_HERE} of the docker plugin. Install the official one: {OFFICIAL}")


class UpdateInterruptedError(Exception):
    """The user interrupted the update."""


class Operation:
    """One create, update or delete (properties.Call)."""

    def __init__(self, engine: Engine, urn: str, timeout_s: float, cancelled: threading.Event) -> None:
        self._engine, self._urn, self._cancelled = engine, urn, cancelled
        self._ends = time.monotonic() + timeout_s if timeout_s else None

    def limit_s(self) -> float | None:
        """See Call."""
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def check_cancelled(self) -> None:
        """See Call."""
        if self._cancelled.is_set():
            raise UpdateInterruptedError("interrupted")
        if self._ends is not None and time.monotonic() > self._ends:
            raise NotReadyError("the resource's own time-out (customTimeouts) is over")

    def progress(self, text: str) -> None:
        """See Call."""
        self._engine.status(self._urn, text)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine. Every error leaves as one message without a traceback and without secrets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cancelled = threading.Event()
        self._daemon: Daemon | None = None

    # What the plugin is.

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - the service's names
        """Tells the engine what it may send."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """The release of the official plugin whose schema is spoken."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """The part of the schema that is implemented."""
        return provider_pb2.GetSchemaResponse(schema=package_schema(RESOURCES, SETTINGS))

    # The provider resource.

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses settings that only the official plugin knows."""

        def answer() -> Any:
            news = decode(request.news)
            failures = [
                _failure(name, NOT_HERE)
                for name in news
                if name not in SETTINGS and name not in _IGNORED | {"__internal"}
            ]
            return provider_pb2.CheckResponse(inputs=encode(news), failures=failures)

        return _answered(context, answer, request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """A changed setting never replaces anything by itself."""

        def answer() -> Any:
            old, new = plain(decode(request.olds)), plain(decode(request.news))
            changed = [name for name in SETTINGS if old.get(name) != new.get(name)]
            return _diff(dict.fromkeys(changed, Rule.UPDATE), old, new, delete_first=False)

        return _answered(context, answer, request.news)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Finds the daemon; whether it answers is checked here unless disableDockerDaemonCheck is set."""

        def answer() -> Any:
            settings = {name: from_text(value) for name, value in decode(request.args).items()}
            if not has_unknown(settings):
                self._daemon = Daemon(settings.get("host") or default_host(), settings.get("sshOpts") or ())
                if not settings.get("disableDockerDaemonCheck"):
                    self._daemon.ping()
            return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

        return _answered(context, answer, request.args)

    # Resources.

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Fills in defaults and finds every mistake at once."""

        def answer() -> Any:
            inputs, problems = check(_resource(request.urn), decode(request.news))
            return provider_pb2.CheckResponse(
                inputs=encode(inputs), failures=[_failure(*problem) for problem in problems]
            )

        return _answered(context, answer, request.news)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What a change of inputs means for the resource."""

        def answer() -> Any:
            resource = _resource(request.urn)
            old, new = decode(request.olds), decode(request.news)
            changed = changes(resource, old, new)
            places_of = {
                name: list(places(resource.table[name].shape, old.get(name), new.get(name), name)) for name in changed
            }
            return _diff(changed, old, new, delete_first=resource.delete_before_replace, places_of=places_of)

        return _answered(context, answer, request.news)

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Makes a resource, or says what making it would give."""

        def answer() -> Any:
            resource, inputs = _resource(request.urn), decode(request.properties)
            if request.preview:
                return provider_pb2.CreateResponse(properties=encode(previewed(resource, inputs)))
            call = self._operation(request)
            found = resource.create(self._reach(), plain(inputs), call)
            ident, outputs = self._settled(context, resource, found, inputs, call)
            return provider_pb2.CreateResponse(id=ident, properties=encode(outputs))

        return _answered(context, answer, request.properties)

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What really runs; an empty answer when the resource is gone. Without a state, the resource is being imported."""

        def answer() -> Any:
            resource = _resource(request.urn)
            state, inputs = decode(request.properties), decode(request.inputs)
            seen = resource.inspect(self._reach(), request.id, plain(state))
            if seen is None:
                return provider_pb2.ReadResponse()
            outputs = observed(resource, seen, state)
            inputs = drifted_inputs(resource, inputs, outputs) if inputs else imported_inputs(resource, outputs)
            ident = resource.ident(seen, plain(outputs))
            return provider_pb2.ReadResponse(id=ident, properties=encode(outputs), inputs=encode(inputs))

        return _answered(context, answer, request.properties)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Changes a running resource, or says what the change would give."""

        def answer() -> Any:
            resource = _resource(request.urn)
            state, inputs = decode(request.olds), decode(request.news)
            if request.preview:
                return provider_pb2.UpdateResponse(properties=encode(previewed(resource, inputs, state)))
            call = self._operation(request)
            resource.update(self._reach(), request.id, plain(inputs), call)
            _, outputs = self._settled(context, resource, request.id, inputs, call)
            return provider_pb2.UpdateResponse(properties=encode(outputs))

        return _answered(context, answer, request.news)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Removes a resource."""

        def answer() -> Any:
            _resource(request.urn).delete(
                self._reach(), request.id, plain(decode(request.properties)), self._operation(request)
            )
            return Empty()

        return _answered(context, answer, request.properties)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Ends what waits."""
        self._cancelled.set()
        return Empty()

    # What is not here.

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses functions such as getRegistryImage."""
        _abort(context, str(RefusedError(request.tok)), grpc.StatusCode.UNIMPLEMENTED)

    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses methods."""
        _abort(context, str(RefusedError(request.tok)), grpc.StatusCode.UNIMPLEMENTED)

    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses component resources."""
        _abort(context, str(RefusedError(request.type)), grpc.StatusCode.UNIMPLEMENTED)

    # How the answers are made.

    def _reach(self) -> Daemon:
        if self._daemon is None:
            raise UnreachableError("the provider's host is not known yet.")
        return self._daemon

    def _operation(self, request: Any) -> Operation:
        self._engine.announce()
        return Operation(self._engine, request.urn, getattr(request, "timeout", 0.0), self._cancelled)

    def _settled(
        self, context: grpc.ServicerContext, resource: Resource, found: str, inputs: Properties, call: Operation
    ) -> tuple[str, Properties]:
        """Waits for the resource and reads it. One that doesn't get ready stays in the state, with the reason."""
        wanted = plain(inputs)
        problem = ""
        try:
            resource.settle(self._reach(), found, wanted, call)
        except (NotReadyError, UpdateInterruptedError, DaemonError, UnreachableError) as error:
            problem = without_secrets(str(error), inputs)
        seen = resource.inspect(self._reach(), found, wanted)
        if seen is None:
            raise NotReadyError(problem or f"{wanted.get('name', found)}: was removed while it was made")
        outputs = observed(resource, seen, inputs)
        ident = resource.ident(seen, wanted)
        if problem:
            _abort_half_made(context, problem, ident, outputs, inputs)
        return ident, outputs


def _resource(urn: str) -> Resource:
    token = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
    if token not in RESOURCES:
        raise RefusedError(token)
    return RESOURCES[token]


def _failure(path: str, reason: str) -> Any:
    """One finding of check. The path stands in the text: given apart, the engine would print the value beside it, secrets included."""
    advice = f" of the docker plugin. Install the official one: {OFFICIAL}" if reason == NOT_HERE else ""
    return provider_pb2.CheckFailure(reason=f"{path}: {reason}{advice}")


def _diff(
    changed: dict[str, Rule],
    old: Properties,
    new: Properties,
    *,
    delete_first: bool,
    places_of: dict[str, list[str]] | None = None,
) -> Any:
    response = provider_pb2.DiffResponse
    kinds = provider_pb2.PropertyDiff
    detailed: dict[str, Any] = {}
    for name, rule in changed.items():
        kind: Any = kinds.ADD if old.get(name) is None else kinds.DELETE if new.get(name) is None else kinds.UPDATE
        # Every kind is followed by its replacing twin.
        for place in (places_of or {}).get(name) or [name]:
            detailed[place] = kinds(kind=kind + (1 if rule is Rule.REPLACE else 0))
    replaces = [name for name, rule in changed.items() if rule is Rule.REPLACE]
    return response(
        changes=response.DIFF_SOME if changed else response.DIFF_NONE,
        diffs=list(changed),
        replaces=replaces,
        # Said with every change: a program may ask for a replacement (replace_on_changes) where the rules here see none.
        deleteBeforeReplace=delete_first,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def _answered(context: grpc.ServicerContext, answer: Callable[[], Any], sent: Struct) -> Any:
    """The answer; or its error as one message, without what was marked secret in the request."""
    try:
        return answer()
    except RefusedError as error:
        _abort(context, str(error), grpc.StatusCode.UNIMPLEMENTED)
    except (NotReadyError, UpdateInterruptedError, DaemonError, UnreachableError, ValueError) as error:
        _abort(context, without_secrets(str(error), decode(sent)))
    except Exception as error:
        if not context.is_active() or type(error) is Exception:
            raise  # grpc's own way of ending a call
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f"{where.tb_frame.f_code.co_name}, line {where.tb_lineno}" if where else "unknown place"
        _abort(
            context, f"the stand-in of the docker plugin failed ({type(error).__name__} in {place}). Please report it."
        )


def _abort(context: grpc.ServicerContext, message: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> NoReturn:
    context.abort(code, message)
    raise AssertionError


def _abort_half_made(
    context: grpc.ServicerContext, problem: str, ident: str, outputs: Properties, inputs: Properties
) -> NoReturn:
    """Ends the call with an error that still records the resource, so that the next update finds it."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=ident, properties=encode(outputs), inputs=encode(inputs), reasons=[problem]
    )
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=problem)
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    _abort(context, problem, code)
