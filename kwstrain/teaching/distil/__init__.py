"""Distillation: a small embedding that learns what a large one hears."""
