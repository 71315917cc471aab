"""The commands behind the Makefile: `python3 -m bootstrap COMMAND [--stack S]`.

Exit codes: 0 done, 1 a step failed (said in one line), 7 drift, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bootstrap import (
    access,
    artifacts,
    console,
    docker_engine,
    doctor,
    hosts,
    leftovers,
    paths,
    plugin,
    pulumi_cli,
    stack,
    venv,
)

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python3 -m bootstrap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        command.add_argument("--stack", default="local", help="name of the stack (default: local)")
        command.add_argument("--yes", action="store_true", help="purge: don't ask")
        command.add_argument("--json", action="store_true", help="doctor, drift: machine-readable output")
        command.add_argument("--markdown", default="", metavar="FILE", help="drift: write the report as Markdown, too")
        command.add_argument("--explain", action="store_true", help="drift: say who wins, and how to repair or adopt")
        command.add_argument("--hosts", default="", help="up: hosts and groups to deploy to, as in gpu,!gpu-c")
        command.add_argument("--plan", default="", metavar="FILE", help="up: deploy what this saved plan says")
        command.add_argument("--dev", action="store_true", help="prepare: what tests need, too")
    options = parser.parse_args(arguments)
    console.hear_interrupts()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _COMMANDS[options.command][0](options)
    except console.StepError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n✗ interrupted: the same command goes on from here", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):
            console.end_children()
        return _INTERRUPTED
    except Exception as fault:  # nobody should have to read a traceback to know what to do
        log = paths.LOGS / "fault.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(fault)), encoding="utf-8")
        print(
            f"✗ {options.command}: a fault of Hearth's own: {fault!r}. See {log}, and please report it.",
            file=sys.stderr,
        )
        return 1


def _interrupt(*_: object) -> None:
    """Treat a polite end like Ctrl-C, which a terminal would have sent to the commands of the steps as well."""
    console.stop_children(signal.SIGINT)
    raise KeyboardInterrupt


def _prepare_preview() -> None:
    """Bring what Pulumi needs; neither images nor a daemon: stacks of other machines can be previewed here."""
    with console.alone("preview"):
        paths.write_env_file()
        console.side_by_side({venv.NAME: lambda: venv.ensure(dev=False), pulumi_cli.NAME: pulumi_cli.ensure})
        plugin.ensure()


def _prepare(options: argparse.Namespace) -> int:
    name = options.stack
    stack.require_file(name)
    print(doctor.docker_package_note(), flush=True)

    def python() -> None:
        venv.ensure(dev=options.dev)
        # Mistakes of the declaration are told now, not after minutes of builds.
        artifacts.wanted(name)

    def containers() -> None:
        source = stack.image_source(name)
        lacking = artifacts.packages(source)
        console.side_by_side({venv.NAME: python, docker_engine.NAME: lambda: docker_engine.ensure(*lacking)})
        console.side_by_side(
            {
                artifacts.MODEL: lambda: artifacts.ensure_model(name),
                artifacts.IMAGES: lambda: artifacts.ensure_images(source),
            }
        )

    with console.alone(options.command):
        paths.write_env_file()
        console.side_by_side({artifacts.IMAGES: containers, pulumi_cli.NAME: pulumi_cli.ensure})
        plugin.ensure()
    return 0


def _up(options: argparse.Namespace) -> int:
    started = time.monotonic()
    _prepare(options)
    stack.ensure(options.stack)
    stack.ensure_image_source(options.stack)
    stack.ensure_secrets(options.stack)
    leftovers.clear(options.stack)
    stack.check(options.stack)
    left = _deploy(options)
    hosts.require_whole(options.stack, left)
    outputs = stack.outputs(options.stack)
    if left.hosts:
        console.done("up", f"{options.stack} runs but for {', '.join(left.hosts)}; it isn't asked a question")
        return 0
    access.prove(outputs)
    console.done("up", f"{options.stack} runs, after {time.monotonic() - started:.0f} s in all")
    access.tell(options.stack, outputs)
    return 0


def _deploy(options: argparse.Namespace) -> hosts.Left:
    """Deploy to the hosts that answer. One that is lost meanwhile fails the engine's refresh of all: it goes on without."""
    left = hosts.left_alone(options.stack, options.hosts)
    if options.plan:
        hosts.require_whole(options.stack, left)
        stack.up_as_planned(options.stack, Path(options.plan).resolve())
        return left
    try:
        stack.up(options.stack, left)
    except console.StepError:
        now = hosts.left_alone(options.stack, options.hosts)
        if set(now.problems) <= set(left.problems):
            raise
        stack.up(options.stack, now)
        return now
    return left


def _down(options: argparse.Namespace) -> int:
    _prepare_preview()
    stack.ensure_backend()
    if not stack.exists(options.stack):
        console.done(stack.NAME, f"{options.stack} is not deployed")
        return 0
    leftovers.clear(options.stack)
    stack.destroy(options.stack)
    kept = ", ".join(leftovers.labelled(options.stack, "volume")) or "none"
    console.done(stack.NAME, f"{options.stack} is down; volumes kept: {kept}")
    return 0


def _purge(options: argparse.Namespace) -> int:
    name = options.stack
    if not options.yes:
        question = f"Remove {name} and all its data (accounts, chats, metrics)? Type its name to go on: "
        if not sys.stdin.isatty() or input(question) != name:
            raise console.StepError("purge: nothing was removed. Answer with the stack's name, or pass --yes.")
    _down(options)
    for volume in leftovers.labelled(name, "volume"):
        console.answer(["docker", "volume", "rm", volume])
        console.done("purge", f"volume {volume} removed")
    if stack.exists(name):
        made = stack.forget_made(name)
        argv = ["pulumi", "stack", "rm", name, "--yes", "--preserve-config", "--non-interactive"]
        console.answer(argv, env=paths.environment())
        if made:
            stack.forget_salt(name)
    console.done("purge", f"{name} and its data are gone; what you wrote stays in Pulumi.{name}.yaml")
    return 0


def _preview(options: argparse.Namespace) -> int:
    _prepare_preview()
    stack.ensure(options.stack)
    return stack.show(options.stack, "preview", "--diff")


def _drift(options: argparse.Namespace) -> int:
    _prepare_preview()
    stack.ensure(options.stack)
    return stack.drift(options.stack, *(["--explain"] if options.explain else []), *_output_of(options))


def _review(options: argparse.Namespace) -> int:
    _prepare_preview()
    stack.ensure(options.stack)
    return stack.review(options.stack, *_output_of(options))


def _repair(options: argparse.Namespace) -> int:
    """Make anew what differs, also where the engine alone would leave it; what isn't declared is nobody's to remove."""
    _prepare_preview()
    stack.ensure(options.stack)
    before = stack.drifted(options.stack)["differences"]
    if before:
        namesakes = {one["urn"] for one in before if one["wins"] == "namesake"}
        if namesakes:
            stack.drift(options.stack, "--remove-namesakes")
        replaced = {one["urn"] for one in before if one["wins"] in {"seen", "program"} and one["urn"]} - namesakes
        stack.up(options.stack, replaced=sorted(replaced))
    left = stack.drifted(options.stack)["differences"]
    for one in left:
        print(f"{one['host']}: {one['what']}: {one['aspect']}: {one['seen']}. {one['repair']}.")
    verdict = f"{len(before)} differences, {len(left)} are left" if before else "what runs is what is declared"
    console.done("repair", f"{options.stack}: {verdict}")
    return stack.DRIFT if left else 0


def _output_of(options: argparse.Namespace) -> list[str]:
    markdown = ["--markdown", options.markdown] if options.markdown else []
    return [*(["--json"] if options.json else []), *markdown]


def _doctor(options: argparse.Namespace) -> int:
    return doctor.report(doctor.examine(options.stack), as_json=options.json)


def _env(options: argparse.Namespace) -> int:
    del options
    paths.write_env_file()
    print(paths.ENV_FILE.read_text(encoding="utf-8"), end="")
    return 0


def _stop_docker(options: argparse.Namespace) -> int:
    del options
    docker_engine.stop()
    return 0


_COMMANDS: Final[dict[str, tuple[Callable[[argparse.Namespace], int], str]]] = {
    "up": (_up, "bring what is missing, deploy, and ask every kind of model one question"),
    "prepare": (_prepare, "bring what is missing, without deploying"),
    "down": (_down, "remove what was deployed; data stays"),
    "purge": (_purge, "remove what was deployed and its data"),
    "preview": (_preview, "show what up would change"),
    "drift": (_drift, "compare what runs with what is declared; exit code 7 when they differ"),
    "review": (_review, "preview, and render what would change for its reviewers"),
    "repair": (_repair, "make anew what runs otherwise than declared"),
    "doctor": (_doctor, "say what is missing, and why"),
    "env": (_env, "print the variables that plain pulumi commands need"),
    "stop-docker": (_stop_docker, "stop the Docker daemon, if Hearth started it"),
}
