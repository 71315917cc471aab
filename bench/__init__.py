"""Measurements that people can repeat: `make bench` writes docs/benchmarks.md."""
