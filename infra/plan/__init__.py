"""The planner: pure, and with a cause for every decision."""

from infra.plan.placement import make_plan
from infra.plan.plan import ENGINE_PORT, Placement, Plan

__all__ = ["ENGINE_PORT", "Placement", "Plan", "make_plan"]
