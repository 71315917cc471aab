"""The planner: pure, and with a cause for every decision."""

from infra.plan.calibration import Calibration, read_calibration
from infra.plan.data import plan_data
from infra.plan.placement import Previous, make_plan
from infra.plan.plan import ENGINE_PORT, STATUS_PORT, Placement, Plan
from infra.plan.previous import file_of, previous_text, read_previous
from infra.plan.restarts import Promise
from infra.plan.specs import Shared, shm_bytes
from infra.plan.start_budget import StartBudget
from infra.plan.text import plan_text

__all__ = [
    "ENGINE_PORT",
    "STATUS_PORT",
    "Calibration",
    "Placement",
    "Plan",
    "Previous",
    "Promise",
    "Shared",
    "StartBudget",
    "file_of",
    "make_plan",
    "plan_data",
    "plan_text",
    "previous_text",
    "read_calibration",
    "read_previous",
    "shm_bytes",
]
