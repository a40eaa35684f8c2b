"""A trained run as a file for other runtimes."""
