"""Networks on a stream: some frames in, the state of each layer carried, without JAX or with it."""
