"""What a lecturer takes from the book: notebooks to hand out, and slides."""
