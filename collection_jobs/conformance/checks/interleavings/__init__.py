"""Concurrent calls under every schedule of few preemptions."""
