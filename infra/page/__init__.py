"""The ledger as one self-contained page, for people who would rather look than read."""

from infra.page.document import page

__all__ = ["page"]
