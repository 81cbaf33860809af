"""The shell around the decisions about a Deployment."""
