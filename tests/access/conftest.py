"""The rules are pure: these tests need no server, no clock and no network."""
