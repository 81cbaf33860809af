"""The command line for people: `dharma`, also as `kubectl dharma`."""
