"""Benchmarks: each model beside the simplest things that could do its work."""
