"""The networks of the five systems that are trained from scratch, one file each."""
