"""The entry point of every engine container: it starts vLLM, watches it, and says why it ended."""
