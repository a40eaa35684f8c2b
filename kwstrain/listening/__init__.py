"""Listening with a run: to a microphone, to samples on stdin, to the clients of a service."""
