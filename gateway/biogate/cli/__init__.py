"""The `biogate` command."""
