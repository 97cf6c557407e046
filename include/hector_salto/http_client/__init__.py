"""HTTP as both services need it: errors by what to do, time-outs, retries, pacing, and no secret in any text."""
