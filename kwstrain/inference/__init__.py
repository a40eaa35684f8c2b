"""A trained run and what it says of recordings."""
