"""Streams to test a detector on: words of a corpus placed into hours of something else, with the reference of what is said when."""
