"""Configuration: from a stack file to typed, closed, frozen values."""
