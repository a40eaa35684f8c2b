"""The real FFT over LANES frames: small transforms, passes, forward and inverse."""
