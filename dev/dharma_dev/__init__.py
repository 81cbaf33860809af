"""The development cluster: a real Kubernetes on one machine, built, started, repaired and stopped by `python3 -m dharma_dev`.

Standard library only: it runs with a bare Debian `python3`, before any virtual environment exists.
"""
