"""The memory planner: what one engine needs of a card, from its config.json and vLLM's own rules."""
