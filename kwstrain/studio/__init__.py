"""A page on this machine on which a word is recorded, taught and heard."""
