"""Trained models: how they are stored, checked, compared, served, and when they are too old."""
