"""Pure values and decisions, one subject per file: no clock, no randomness, no I/O, the standard library only."""
