"""Genome interpretation: the small package behind the book."""

__version__ = "0.1.0"
