"""Deployments: two versions side by side, and one switch between them that drops no request."""
