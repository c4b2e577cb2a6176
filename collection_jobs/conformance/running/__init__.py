"""What runs programs on stores: open stores, temporary directories, worker processes."""
