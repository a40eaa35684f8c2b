"""Which clips there are, before a recording is opened."""
