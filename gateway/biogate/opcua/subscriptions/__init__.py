"""Subscriptions and monitored items (Part 4, 5.13 and 5.14): no I/O, driven by `tick`."""
