"""What the methods cost in small and in large stores."""
