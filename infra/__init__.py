"""Hearth: a whole self-hosted LLM stack from one typed declaration per environment."""

__version__ = "0.1.0"
