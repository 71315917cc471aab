"""The golden files: every rendered file of a case, as text. `python -m tests.golden_files` writes them anew.

A case is a stack file; its goldens lie below tests/golden/<case>/<instance>/<path>.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from infra.config.load import read_stack_file
from infra.errors import Severity, raise_errors
from infra.pipeline import build
from infra.plan import plan_text
from infra.review.changes import changes_of
from infra.review.text import comment, sections

ROOT: Final = Path(__file__).parents[1]
GOLDEN: Final = ROOT / "tests" / "golden"
REVIEW: Final = ROOT / "tests" / "unit" / "review" / "comment.md"
# Where the stack file of each case lies.
CASES: Final = {"local": ROOT, "dev": ROOT, "prod": ROOT, "fleet": ROOT / "docs" / "examples"}


def rendered(case: str) -> dict[str, str]:
    """Return every rendered file of a stack by its path below the case's folder."""
    written, found = read_stack_file(CASES[case], case)
    # The tag of a built image changes with every edit of a recipe; goldens show what is rendered, not that.
    # Models that somebody has fetched into the checkout aren't there for everybody.
    written = type(written)({**written.values, "imageSource": "official"}, written.secrets, root=GOLDEN)
    built, findings = build(written, case, found)
    raise_errors(findings)
    assert built is not None
    files = {
        f"{workload.instance}{file.path}": file.content
        for workload in built.workloads
        for file in workload.files
        # What is uploaded as it is stands in infra/services/assets already.
        if not file.path.startswith("/opt/hearth/")
    }
    lines = {
        f"{workload.instance}/command": "\n".join([workload.image, *workload.command, ""])
        for workload in built.workloads
    }
    return {**files, **lines, "plan": plan_text(built.plan) + "\n"}


def reviewed() -> str:
    """Return the comment on a recorded preview."""
    folder = ROOT / "tests" / "unit" / "review"
    built, findings = build(*read_stack_file(folder, "mine")[:1], "mine", [])
    raise_errors(findings)
    assert built is not None
    changes = changes_of(json.loads((folder / "preview.json").read_text(encoding="utf-8")))
    told = sorted(str(finding) for finding in findings if finding.severity is Severity.WARNING)
    return comment("mine", list(sections(built.plan, changes, told, ["advisory: an example of a policy"])))


def write() -> None:
    """Write the goldens of every case; what is no longer rendered goes."""
    REVIEW.write_text(reviewed(), encoding="utf-8")
    for case in CASES:
        shutil.rmtree(GOLDEN / case, ignore_errors=True)
        for path, content in rendered(case).items():
            file = GOLDEN / case / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write()
