"""One difference between what is declared and what runs, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wins(StrEnum):
    """Who wins at the next `up`."""

    DECLARED = "the declaration: `make up` repairs it"
    SEEN = "what runs: `up` doesn't read it back, and leaves it until the container is replaced"
    PROGRAM = "what is in effect, until the program starts again"
    DATABASE = "what people made: it is in the program's own database, which `up` never touches"
    NAMESAKE = "nobody: `up` fails while the name is taken"
    NOBODY = "nobody: Hearth doesn't touch what it hasn't declared"


@dataclass(frozen=True, order=True)
class Difference:
    """What differs on a host. `what` is a container, image, network or card; `declared` and `seen` never hold a secret.

    `urn` is the resource by which the engine can be told to replace it; `adopt` is the edit that makes what runs the
    declaration, empty where there is none; `mend` what undoes it where neither `up` nor a new container does.
    """

    host: str
    what: str
    aspect: str
    declared: str
    seen: str
    wins: Wins = Wins.SEEN
    urn: str = ""
    adopt: str = ""
    mend: str = ""

    def repair(self, stack: str) -> str:
        """Return the command that makes what runs as declared again."""
        if self.mend:
            return self.mend
        if self.wins is Wins.DECLARED:
            return f"make up STACK={stack}"
        if self.wins is Wins.NAMESAKE:
            return f"python -m infra drift --stack {stack} --remove-namesakes, then make up STACK={stack}"
        if self.urn:
            return f"pulumi up --stack {stack} --replace '{self.urn}'"
        return f"remove it on {self.host} by hand"
