"""The oracle: what the contract says, sharing no code with what it judges."""
