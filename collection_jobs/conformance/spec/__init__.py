"""What is right: the laws, and what the contract answers, sharing no code with what it judges."""
