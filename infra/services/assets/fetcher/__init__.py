"""What fetches weights before engines start: the standard library and the hub client of the engine's image."""
