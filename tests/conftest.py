"""For all tests: how long a case takes is no property of the code, on a machine with other work."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
