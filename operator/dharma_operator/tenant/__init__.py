"""The shell around the decisions about Tenants: what they look at, and how quota is written."""
