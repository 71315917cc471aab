from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.cli import main
from infra.doctor.asked import Asked
from infra.doctor.cache import file_of, read
from infra.doctor.command import main_doctor
from infra.doctor.report import HostReport
from tests.unit.doctor.given import CARDS, report, values

CHECKOUT = Path(__file__).parents[3]
Doctor = Callable[..., tuple[int, str, str]]
OLD_DRIVER = {"cards": tuple(replace(card, driver="550.90.07") for card in CARDS)}


def write(root: Path, **more: Any) -> None:
    document = {"config": {f"hearth:{key}": value for key, value in values(**more).items()}}
    (root / "Pulumi.mine.yaml").write_text(json.dumps(document))


def rows_of(out: str) -> dict[str, list[str]]:
    """Return the marks of every check of a table over two hosts."""
    rows = (line.split() for line in out.splitlines()[2:] if line.startswith("  "))
    return {" ".join(words[:-2]): words[-2:] for words in rows if set(words[-2:]) <= set("✓!✗·-?")}


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run the command over hosts on which all is well but these answers; return its code and what it printed."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)

    def run(*arguments: str, **answers: Any) -> tuple[int, str, str]:
        def ask(asked: Asked) -> HostReport:
            return report(asked, **answers.get(asked.host.replace("-", "_"), {}))

        code = main_doctor(["--stack", "mine", *arguments], ask)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_table_has_a_row_per_check_and_a_column_per_host(doctor: Doctor) -> None:
    code, out, err = doctor()
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "mine: 2 hosts, nothing stands in the way"
    assert lines[1].split() == ["front", "gpu-a"]
    rows = rows_of(out)
    assert rows["docker"] == ["✓", "✓"]
    assert rows["driver"] == ["-", "✓"]
    assert rows["other hosts"] == ["✓", "-"]
    assert "device files" not in rows
    assert err.splitlines() == [
        "asking front (ssh://ops@front.example.com)",
        "asking gpu-a (ssh://ops@gpu-a.example.com)",
    ]


def test_findings_stand_below_by_host_the_worst_first(doctor: Doctor) -> None:
    code, out, _ = doctor(gpu_a={**OLD_DRIVER, "overcommit": 2, "clock_s": (3.0, 3.5)})
    assert code == 1
    assert out.startswith("mine: 2 hosts, 1 error, 2 warnings\n")
    below = out[out.index("\ngpu-a:\n") + 1 :].splitlines()
    assert [line.partition(": ")[0] for line in below] == ["gpu-a:", "  ✗ driver", "  ! overcommit", "  ! clock"]
    assert below[1].endswith(" does, too.")
    assert "front:" not in out


def test_warnings_alone_end_well(doctor: Doctor) -> None:
    assert doctor(gpu_a={"overcommit": 2})[0] == 0


def test_a_host_that_is_away_is_an_error_and_the_others_are_shown(doctor: Doctor) -> None:
    code, out, _ = doctor(gpu_a={"problem": "can't be reached: no", "fix": "plug it in"})
    assert code == 1
    rows = rows_of(out)
    assert rows["connection"] == ["✓", "✗"]
    assert rows["docker"] == ["✓", "?"]
    assert "  ✗ connection: can't be reached: no. Plug it in." in out


def test_json_has_every_check_with_its_result_and_fix(doctor: Doctor) -> None:
    code, out, _ = doctor("--json", gpu_a=OLD_DRIVER)
    data = json.loads(out)
    assert code == 1
    assert data["stack"] == "mine"
    checks = {one["name"]: one for one in data["hosts"]["gpu-a"]["checks"]}
    assert data["hosts"]["gpu-a"]["asked_at"] == "2026-11-30T00:53:20+00:00"
    assert checks["driver"]["result"] == "error"
    assert checks["driver"]["path"] == "host gpu-a"
    assert "550.90.07" in checks["driver"]["problem"]
    assert checks["docker"] == {"name": "docker", "result": "ok"}
    assert checks["device files"]["result"] == "skipped"


def test_one_host_or_group_alone(doctor: Doctor, tmp_path: Path) -> None:
    _, out, err = doctor("--host", "gpu-a")
    assert out.splitlines()[1].split() == ["gpu-a"]
    assert "front" not in err
    assert set(read(tmp_path, "mine")) == {"gpu-a"}


def test_a_name_that_is_no_host_is_told_with_the_nearest(doctor: Doctor) -> None:
    code, out, err = doctor("--host", "gpu-b")
    assert (code, out) == (1, "")
    assert "no host or group is named 'gpu-b'" in err
    assert "gpu-a" in err


def test_the_answers_are_kept_and_judged_again_without_asking(doctor: Doctor, tmp_path: Path) -> None:
    doctor(gpu_a=OLD_DRIVER)
    code, out, err = doctor("--from-cache")
    assert code == 1
    assert "550.90.07" in out
    assert "gpu-a: not asked, as of" in out
    assert "asking" not in err
    # The image is changed to one that this driver runs: what was answered is judged anew.
    write(tmp_path, images={"vllm": "vllm/vllm-openai:v0.32.0-cu129"})
    assert doctor("--from-cache")[0] == 0


def test_a_host_that_is_away_keeps_its_last_answers(doctor: Doctor, tmp_path: Path) -> None:
    doctor(gpu_a=OLD_DRIVER)
    before = read(tmp_path, "mine")["gpu-a"]
    doctor(gpu_a={"problem": "can't be reached: no"})
    assert read(tmp_path, "mine")["gpu-a"] == before


def test_without_kept_answers_nothing_is_claimed(doctor: Doctor) -> None:
    code, out, err = doctor("--from-cache")
    assert code == 1
    assert "host gpu-a: was never asked" in err
    assert "✓" not in out


def test_a_file_that_cannot_be_written_is_a_warning(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / ".hearth").write_text("in the way")
    code, _, err = doctor()
    assert code == 0
    assert f"warning: {file_of(tmp_path, 'mine')}: can't be written" in err


def test_hosts_are_asked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    both = threading.Barrier(2)

    def ask(asked: Asked) -> HostReport:
        both.wait(timeout=30)
        return report(asked)

    assert main_doctor(["--stack", "mine"], ask) == 0


def test_a_declaration_with_mistakes_is_told_and_ends_badly(doctor: Doctor, tmp_path: Path) -> None:
    write(tmp_path, models={"chat": {"source": "Qwen/Qwen3-8B", "place": "nowhere"}})
    code, _, err = doctor()
    assert code == 1
    assert "error: hearth:models.chat.place" in err


def test_a_wrong_command_line_ends_with_2() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--hosts", "x"])
    assert ended.value.code == 2


def test_check_tells_what_hosts_answered_last(doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(gpu_a=OLD_DRIVER)
    main(["check", "--stack", "mine"])
    assert "warning: host gpu-a: the NVIDIA driver is 550.90.07" in capsys.readouterr().err


def test_a_preview_without_answers_imports_none_of_it() -> None:
    """Every preview pays for what infra.stack imports."""
    look = "import sys, infra.stack; print([name for name in sys.modules if name.startswith('infra.doctor')])"
    ran = subprocess.run([sys.executable, "-c", look], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['infra.doctor', 'infra.doctor.cache']"
