"""The conformance kit: laws, an oracle, and the search for the shortest history that breaks a law."""
