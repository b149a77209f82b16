"""What `biogate demo` runs: a site file that doubles as the worked example."""

from pathlib import Path

DEMO_SITE = Path(__file__).with_name("demo-site.yaml")

__all__ = ["DEMO_SITE"]
