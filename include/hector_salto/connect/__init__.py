"""From nothing to a plan: the questions that make an integration file and its two connections, each checked at once."""
