"""The services, one file per service set (Part 4, 5)."""
