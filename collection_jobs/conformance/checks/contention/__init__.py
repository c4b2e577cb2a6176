"""Many callers at once: tasks, handles and processes."""
