"""An engine that fails: resources that run out or are denied, and damaged files."""
