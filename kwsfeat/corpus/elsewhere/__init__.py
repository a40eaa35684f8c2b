"""Recordings that are not files of their own on this machine: at URLs, and in the tar files of WebDataset."""
