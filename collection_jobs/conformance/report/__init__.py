"""What is told: findings, verdicts, and the files that carry them."""
