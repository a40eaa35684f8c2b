"""The networks of the keyword-spotting literature, one file a family."""
