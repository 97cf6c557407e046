"""Measurements, made by hand: `make bench`. Each compares side by side in one run and prints ratios."""
