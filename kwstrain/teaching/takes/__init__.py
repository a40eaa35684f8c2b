"""Recordings of a word: where it is in them, copies, and what is wrong."""
