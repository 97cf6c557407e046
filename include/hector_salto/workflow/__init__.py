"""The steps of a run and the folder its tables travel in."""
