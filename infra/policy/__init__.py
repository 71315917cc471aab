"""Rules for what is deployed, checked on the declaration and, by the pack in policy/, on what the engine is given."""

from infra.policy.command import main_policy

__all__ = ["main_policy"]
