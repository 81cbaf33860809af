"""What should exist for each kind: pure functions from a model and what was observed to objects, conditions and status."""
