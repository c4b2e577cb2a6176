"""How fast each method is, as ratios to the engine's limit and to what one would take instead."""
