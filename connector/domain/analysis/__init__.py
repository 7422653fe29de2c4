"""Language, sentiment and themes of a comment."""
