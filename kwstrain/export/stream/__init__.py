"""One step of a run on a stream: samples and states in, probabilities and states out."""
