"""Every choice that changes a sample or a feature."""
