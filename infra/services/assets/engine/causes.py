"""Why an engine ended: the best evidence of its log, together with how its process ended."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from .lines import Line, pieces
from .memory_rules import MEMORY_RULES
from .reading import PHASES, Reading
from .rule import MODEL, Rule
from .start_rules import RULES
from .values import fill

TABLE = (*MEMORY_RULES, *RULES)
# A traceback of vLLM is at most a hundred lines or so, and up to four ranks print theirs mixed.
RECENT_LINES = 400
_SHOWN = 300
# Consequences: how the process ended says more.
_GENERIC = frozenset({"killed", "engine_died"})
_QUIET = frozenset({"INFO", "DEBUG"})
_DEATH = re.compile(r"EngineDeadError|EngineCore encountered a fatal error|\bdied unexpectedly|[Ee]ngine loop has died")
# Nine of ten lines of a traceback: where it was, and what it points at.
_FRAME = re.compile(r"\s*(?:File \".*|[~^]*)$")
_ERROR = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::.+)?$|^[\w./ -]+: error: .+")
_POINTER = re.compile(
    r"[Rr]oot cause|initialization failed due to an exception|EngineDeadError|Engine process failed to start"
)


@dataclass(frozen=True)
class Ending:
    """How a run ended: `code` or `signal` of vLLM's process, and what the supervisor knows of the run.

    `reason` is `exit`, `start timeout` or `watchdog`; `limit_s` the seconds of the timeout or watchdog that struck.
    """

    code: int | None
    signal: int | None
    reason: str
    oom_kills: int
    was_serving: bool
    limit_s: float


@dataclass(frozen=True)
class Cause:
    """`says` has the numbers, `fix` the stack file's field (or the host), `line` what of the log tells so."""

    name: str
    says: str
    fix: str
    line: str


@dataclass(frozen=True)
class _Found:
    """A rule's text in the log: the number of its line, the line before, and the phase in which it was written."""

    rule: Rule
    number: int
    text: str
    before: str
    phase: str
    groups: dict[str, str]


class Evidence:
    """What the log of one run tells, in a memory that doesn't grow with the log; a new run takes a new one."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._reading = Reading()
        self._number = 0
        self._first: dict[int, _Found] = {}
        self._last: dict[int, _Found] = {}
        self._warned: dict[int, _Found] = {}
        self._error = (0, "")
        self._text = ""
        self._died_at: int | None = None

    def read(self, line: str) -> None:
        """Take in one line of the engine's output."""
        self._number += 1
        self._reading.read(line)
        for piece in pieces(line):
            self._read(piece)

    def _read(self, parsed: Line) -> None:
        text = parsed.text
        # Information and requests quote what users write, and a failed try for an optional file is debug output.
        if parsed.level in _QUIET or _FRAME.match(text):
            return
        if self._died_at is None and _DEATH.search(text):
            self._died_at = self._number
        for place, rule in enumerate(TABLE):
            found = rule.pattern.search(text)
            if found is not None:
                self._keep(place, parsed.level, found, text)
                break
        if parsed.level != "WARNING":
            if _ERROR.match(text) and not _POINTER.search(text):
                self._error = (self._number, text)
            self._text = text

    def _keep(self, place: int, level: str, found: re.Match[str], text: str) -> None:
        groups = {name: value for name, value in found.groupdict().items() if value is not None}
        evidence = _Found(TABLE[place], self._number, text, self._text, self._reading.phase, groups)
        if level == "WARNING":
            self._warned[place] = evidence
            return
        self._first.setdefault(place, evidence)
        self._last[place] = evidence

    def cause(self, ending: Ending) -> Cause:
        """Return why the run ended, from the most certain to the least: the kernel, the log, the process."""
        if ending.oom_kills > 0:
            return self._killed_for_memory(ending)
        found = self._best(ending)
        if found is not None and found.rule.cause not in _GENERIC:
            return self._told(found)
        if ending.reason == "exit":
            return self._by_process(ending, found)
        return self._hung(ending) if ending.reason == "watchdog" else self._start_timeout(ending)

    def _by_process(self, ending: Ending, found: _Found | None) -> Cause:
        stopped = self._by_signal(ending, found)
        if stopped is not None:
            return stopped
        if ending.was_serving or ending.code == 0:
            return self._engine_died(ending, found)
        return self._unknown(ending)

    def _best(self, ending: Ending) -> _Found | None:
        """The first rule of the table that the log holds: in a start anywhere, later only near the end.

        Requests that fail with the engine write thousands of lines after its death: the end is where it died.
        """
        end = self._number if self._died_at is None else self._died_at
        since = end - RECENT_LINES if ending.was_serving else 0
        for known in (self._last if ending.was_serving else self._first, self._warned):
            for place in sorted(known):
                found = known[place]
                if found.number > since and not (ending.was_serving and found.rule.starting):
                    return found
        return None

    def _told(self, found: _Found) -> Cause:
        says, fix = fill(
            found.rule,
            found.groups,
            model=self._model,
            phase=found.phase,
            text=found.text,
            before=found.before,
            reported=self._reading.reported,
        )
        return Cause(found.rule.cause, says, fix, found.text[:_SHOWN].strip())

    def _make(self, name: str, says: str, fix: str, line: str = "") -> Cause:
        return Cause(
            name, says[:_SHOWN], fix.replace("{model}", self._model), (line or self._told_last())[:_SHOWN].strip()
        )

    def _told_last(self) -> str:
        return self._error[1] or self._text

    def _killed_for_memory(self, ending: Ending) -> Cause:
        times = "a process" if ending.oom_kills == 1 else f"{ending.oom_kills} processes"
        return self._make(
            "killed_for_memory",
            f"the kernel killed {times} of the container, which was at its limit of RAM",
            f"raise {MODEL}.memory, or lower {MODEL}.kv_cache, .context or .max_sequences",
        )

    def _start_timeout(self, ending: Ending) -> Cause:
        reading = self._reading
        where = f"{reading.phase} ({reading.detail})" if reading.detail else reading.phase
        if reading.phase == PHASES[-1]:
            where = "without an answer to its first question"
        return self._make(
            "start_timeout",
            f"not serving after {ending.limit_s:g} s, still {where}",
            f"raise {MODEL}.restart.timeout_start above {ending.limit_s:g}s if the start was only slow",
        )

    def _hung(self, ending: Ending) -> Cause:
        return self._make(
            "hung",
            f"no progress for {ending.limit_s:g} s",
            f"raise {MODEL}.restart.watchdog_sec above {ending.limit_s:g}s if single steps take so long, else try another "
            "hearth:images.vllm",
        )

    def _by_signal(self, ending: Ending, found: _Found | None) -> Cause | None:
        number = ending.signal
        if number is None and ending.code is not None:
            number = -ending.code if ending.code < 0 else ending.code - 128
        if number == signal.SIGILL:
            fix = "choose a hearth:images.vllm that is built for this processor (lscpu shows its flags)"
            return self._make(
                "cpu_instructions", "the processor doesn't know an instruction of this image (SIGILL)", fix
            )
        if number == signal.SIGBUS:
            return self._make("shm", "stopped by a bus error (SIGBUS): /dev/shm is too small", f"raise {MODEL}.shm")
        if found is not None and found.rule.cause == "killed":
            return self._told(found)
        if number in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT}:
            return self._make(
                "killed",
                f"somebody stopped it ({signal.Signals(number).name}); the kernel counted no kill for want of memory",
                f"look at who stops it on the host (its log: journalctl, dmesg); RAM that runs out is {MODEL}.memory",
            )
        return None

    def _engine_died(self, ending: Ending, found: _Found | None) -> Cause:
        number, error = self._error
        recent = number > (self._died_at or self._number) - RECENT_LINES
        how = _how(ending)
        because = f": {error}" if error and recent else ""
        when = "after it had served" if ending.was_serving else "before it served"
        return self._make(
            "engine_died",
            f"the engine ended {when}, {how}{because}",
            f"{MODEL}.restart brings it back; if it comes again, try another hearth:images.vllm, or enforce-eager: true in "
            f"{MODEL}.args",
            error if because else (found.text if found is not None else self._text),
        )

    def _unknown(self, ending: Ending) -> Cause:
        last = self._told_last()
        told = f": {last}" if last else ", and the log says nothing"
        return self._make(
            "unknown",
            f"ended {_how(ending)} for a reason that isn't known here{told}",
            f"read the log above; what can be changed is {MODEL}.args and .environment, and hearth:images.vllm",
        )


def _how(ending: Ending) -> str:
    if ending.signal is None:
        return f"with code {ending.code}" if ending.code is not None else "without a code"
    known = {int(one): one.name for one in signal.Signals}
    return f"by {known.get(ending.signal, f'signal {ending.signal}')}"
