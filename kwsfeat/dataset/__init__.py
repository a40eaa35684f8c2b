"""The HDF5 file: its format, writing, reading and verifying."""
