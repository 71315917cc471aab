"""Makes a bare machine able to run Hearth: standard library only, because it runs before anything is installed."""
