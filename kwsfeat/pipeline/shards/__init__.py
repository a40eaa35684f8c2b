"""A data set in several files: made one by one, here or by the workers of a cluster, and put together."""
