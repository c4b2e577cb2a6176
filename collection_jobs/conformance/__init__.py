"""The conformance kit: laws, an oracle, and the search for the shortest breach of a law."""
