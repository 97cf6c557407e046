"""Hector over HTTP: who booked which room, when."""
