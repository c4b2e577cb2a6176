"""Whether some order of concurrent calls explains what came of them."""
