"""The options and sizes of networks that have a second form, on a stream: what both forms are made of, without JAX."""
