"""Benchmarks of the operator on the development cluster: `python -m benchmarks [--only NAME] [--quick]`.

Each measures both sides of a ratio in one run on the same machine, prints a table, and writes `benchmarks/results/<name>.json`.
"""
