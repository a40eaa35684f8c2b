"""Detection with a run: its operating point, events in recordings, their score, and how the operating point is chosen."""
