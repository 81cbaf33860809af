"""The Kubernetes API as the operator uses it: read, watch, compare, apply, prune."""
