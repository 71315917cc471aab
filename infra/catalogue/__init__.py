"""Frozen facts with their sources: cards, models and vLLM versions. One data file per kind."""
