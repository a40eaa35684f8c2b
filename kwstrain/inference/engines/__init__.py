"""How a recogniser computes its rows, one way a file."""
