"""The parts of the `kubernetes` package that the CLI uses. The package has no types; here is the one place that says so."""

from importlib import import_module
from typing import Any

client: Any = import_module("kubernetes.client")
config: Any = import_module("kubernetes.config")
streams: Any = import_module("kubernetes.stream")
ERROR_CHANNEL, RESIZE_CHANNEL, STDERR_CHANNEL, STDIN_CHANNEL, STDOUT_CHANNEL = 3, 4, 2, 0, 1
"""Channels of the exec protocol, `v5.channel.k8s.io`."""
