"""Ranks changes of configuration that somebody made beside the operator. Finding them is not its task."""
