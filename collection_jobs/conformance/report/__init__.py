"""Reports: findings, verdicts, and the files that contain them."""
