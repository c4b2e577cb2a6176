"""Processes that are killed at work, and stores whose files are damaged."""
