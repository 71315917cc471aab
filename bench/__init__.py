"""What people can repeat: `make bench` measures (docs/benchmarks.md), `make accuracy` checks the planner (docs/accuracy.md)."""
