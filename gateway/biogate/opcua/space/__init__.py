"""The address space: nodes, their values and rights, browsing and type hierarchy (Part 3)."""
