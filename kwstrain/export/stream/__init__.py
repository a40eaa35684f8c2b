"""A run on a stream as one step: samples and states in, probabilities and states out."""
