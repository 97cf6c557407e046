"""Salto KS over HTTP: site users, tags, locks, access groups and their time schedules."""
