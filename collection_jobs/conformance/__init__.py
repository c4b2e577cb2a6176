"""The conformance kit: what proves that an adapter keeps the contract."""
