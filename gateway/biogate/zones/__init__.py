"""A front-end process for each security zone, and what the core hands it (docs/decisions/0020)."""
