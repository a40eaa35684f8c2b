"""Corpora that are fetched, unpacked or made."""
