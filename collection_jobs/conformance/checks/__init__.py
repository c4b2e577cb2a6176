"""The checks: one room for each way to look for violations."""
