"""Processes of the kit's own that work on a store."""
