"""Last layers: of one word, and of several."""
