"""The oracle's settings, with what makes this stack fast: connections that stay open from one request to the next."""
from oracle.settings import *  # noqa: F403

DATABASES["default"]["CONN_MAX_AGE"] = None  # noqa: F405
