"""Clips of a file as batches on the devices."""
