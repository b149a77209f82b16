"""Simulated devices of a site: the plant's clock, recordings, and the process they run in."""
