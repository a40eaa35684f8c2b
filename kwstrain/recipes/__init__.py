"""Published experiments, each run by one command."""
