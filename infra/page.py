"""The ledger as one self-contained page, for people who would rather look than read."""

from __future__ import annotations

from infra.plan import Plan, plan_text


def page(plan: Plan) -> str:
    """Return the page's HTML; nothing in it is loaded from elsewhere."""
    return f"<pre>{plan_text(plan)}</pre>"
