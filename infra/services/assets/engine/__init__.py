"""The engine's entry point: PID 1 of every engine container, with nothing but the standard library (Python 3.10 on)."""
