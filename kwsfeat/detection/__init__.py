"""From posteriors to events, and from events to how good a detector is. NumPy only."""
