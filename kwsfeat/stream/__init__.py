"""Features of a signal that has not ended: what `features` computes of a recording, piece by piece and bit for bit."""
