"""A proxy between a repository and its server, which stalls, cuts connections, and comes back."""
