"""What running engines report, against the plan; and the calibration file that the next plan prefers."""

from __future__ import annotations

from infra.observe.command import main_observe

__all__ = ["main_observe"]
