"""What runs, compared with what is declared: by the engine, and by asking hosts what the engine doesn't read back."""

from infra.drift.command import main_drift

__all__ = ["main_drift"]
