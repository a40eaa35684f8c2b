"""Networks that stream, one file each: found by lying here. A file has OPTIONS by name, and makes a Program of a run's weights."""
