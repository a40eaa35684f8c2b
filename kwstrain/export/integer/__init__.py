"""A network in whole numbers: quantised once, the same for every runtime that computes in 8 bits."""
