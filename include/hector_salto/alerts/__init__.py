"""When an alert is sent: conditions of an integration that begin, get worse, or are over; never the same alert twice."""
