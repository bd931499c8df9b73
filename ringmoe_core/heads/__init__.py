"""What maps are turned into: one head a task."""
