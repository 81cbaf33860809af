"""`dharma tenant`: Tenants as people look at them, and as they are carried from one cluster to another."""
