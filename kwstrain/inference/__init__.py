"""Recordings classified by a trained run."""
