"""A run in words: for task logs and for the terminal."""
