"""`python -m infra review`: a preview's JSON as the comment that a reviewer reads.

Exit codes: 0 written, 1 the declaration or the preview is wrong, 2 the command line is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.config.load import read_stack_file
from infra.errors import Severity
from infra.pipeline import PROJECT, Built, build
from infra.policy.check import violations
from infra.review.changes import changes_of
from infra.review.effects import alert_changes, flag_changes
from infra.review.text import comment, sections
from infra.targets.docker.declared import sites
from infra.targets.docker.mapping import Names


def main_review(arguments: Sequence[str]) -> int:
    """Write the comment to standard output, or to a file; all else goes to standard error."""
    options = _options(arguments)
    root = Path.cwd()
    written, found = read_stack_file(root, options.stack)
    built, findings = build(written, options.stack, found)
    told = sorted({finding for finding in findings if finding.severity is not Severity.NOTICE})
    preview = _read(options.preview)
    if preview is None or built is None:
        for finding in told if built is None else ():
            print(f"error: {finding}", file=sys.stderr)
        return 1
    changes = changes_of(preview)
    shown = [f"{finding.severity}: {finding}" for finding in told]
    text = comment(options.stack, list(sections(built.plan, changes, shown, _broken(built, options.stack, root))))
    if options.markdown is not None:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        # Files are whole configurations: names are enough, and the comment has their differences.
        rows = [{**asdict(one), "files": [file.path for file in one.files]} for one in changes]
        flags = [asdict(one) for one in flag_changes(changes)]
        alerts = [asdict(one) for one in alert_changes(changes)]
        print(json.dumps({"stack": options.stack, "changes": rows, "flags": flags, "alerts": alerts}, indent=2))
    elif options.markdown is None:
        print(text, end="")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra review", description="render a preview for its reviewers")
    parser.add_argument("--stack", default="local", help="name of the stack (default: local)")
    parser.add_argument(
        "--preview", type=Path, required=True, metavar="FILE", help="what `pulumi preview --json` has printed"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the comment there (default: print it)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser.parse_args(arguments)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        preview: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        print(f"error: {file}: can't be read: {error.strerror}. Make it: `make review`.", file=sys.stderr)
        return None
    except ValueError:
        print(f"error: {file}: is no JSON. Make it with `pulumi preview --json`.", file=sys.stderr)
        return None
    return preview


def _broken(built: Built, stack: str, root: Path) -> list[str]:
    parts = sites(built.config, built.workloads, Names(PROJECT, stack), root).values()
    found = [one for site in parts for one in violations(site.host, site.resources(), built.config.policy, stack)]
    return [f"{one.level}: {one}" for one in sorted(found, key=lambda one: one.level != "mandatory")]
