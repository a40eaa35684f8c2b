"""A network in whole numbers as one C header."""
