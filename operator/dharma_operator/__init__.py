"""The operator: watches the four kinds, applies what the handlers decide, and tells how it goes."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("iac-dharma")
except PackageNotFoundError:  # run from a source tree that nobody installed
    __version__ = "0+source"
