"""A run that detects: its operating point, events in recordings, how good they are, and how the point is chosen."""
