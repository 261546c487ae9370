"""Genome interpretation: the small package behind the book."""

import os

__version__ = "0.1.0"

# PyTorch's matrix products (MKL) add up in an order that depends on where in memory the factors lie, unless asked not
# to. It costs no time, and a fit is then the same to the bit alone and among others. MKL reads this at its first call.
os.environ.setdefault("MKL_CBWR", "AUTO")

RENDERING = ("book.py", "cli.py", "pages", "teaching")
"""Parts of the package that make pages of what notebooks have computed; a change of them runs no notebook again."""
