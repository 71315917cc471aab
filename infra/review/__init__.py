"""What a change would do to a running stack, for whoever reviews it."""

from infra.review.command import main_review

__all__ = ["main_review"]
