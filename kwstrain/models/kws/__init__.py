"""The networks of the keyword-spotting literature, one file per family."""
