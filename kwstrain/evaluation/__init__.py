"""How well a run does."""
