"""Pages and pictures about a corpus or a file."""
