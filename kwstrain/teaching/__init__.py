"""A word of one's own: from a few recordings, or from its spelling, to a run that hears it."""
