"""The three parts of a corpus, in the order in which they are listed; a file names them like this."""

SPLITS = ("train", "validation", "test")
