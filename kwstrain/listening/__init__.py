"""A run that listens: to a microphone, to samples on stdin, to the clients of a service."""
