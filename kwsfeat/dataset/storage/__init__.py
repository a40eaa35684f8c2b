"""Where a reader finds its arrays: one file, or the files of a folder."""
