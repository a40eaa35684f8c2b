"""What XLA calls when it calls a kernel."""
