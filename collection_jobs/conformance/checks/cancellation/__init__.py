"""Calls that are cancelled at every point."""
