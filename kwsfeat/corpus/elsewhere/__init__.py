"""Recordings that are no files of their own on this machine: behind URLs, and in the tar files of WebDataset."""
