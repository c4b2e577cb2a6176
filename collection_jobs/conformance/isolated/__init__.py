"""An examination in a process of its own, which another watches: whatever ends it is told."""
