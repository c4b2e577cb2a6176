"""Checks that are made beside the others, in a second process, on a machine that has the room."""
