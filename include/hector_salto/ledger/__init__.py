"""What was planned, done and seen: SQL tables, and the questions that are asked of them (design, section 7)."""
