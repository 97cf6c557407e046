"""When somebody is told: conditions of an integration that begin, get worse, or are over; never the same news twice."""
