"""What every script prints: see steps.mjs."""
import os
import re
import sys

_left = set(os.environ.get("WITHOUT", "").split())
_passed = _failed = 0


class _Ended(Exception):
    pass


def given(name):
    if name not in os.environ:
        sys.exit(f"The environment variable {name} is not set. README.md names all of them.")
    return os.environ[name]


def flow(name, needs=None):
    """Decorates a function of one argument, step(title, callable, needs=None), and runs it: the first step that fails ends it."""

    def run(steps):
        if needs not in _left:
            try:
                steps(lambda title, call, needs=None: None if needs in _left else _step(f"{name}: {title}", call))
            except _Ended:
                pass

    return run


def _step(title, call):
    global _passed, _failed
    try:
        result = call()
    except Exception as error:
        _failed += 1
        print(f"FAIL {title}: {type(error).__name__}: " + re.sub(r"\s+", " ", str(error)), flush=True)
        raise _Ended from error
    _passed += 1
    print(f"PASS {title}", flush=True)
    return result


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, not {expected!r}")


def refused(error, call):
    """The server must refuse with this error; anything else fails the step."""
    try:
        answer = call()
    except Exception as thrown:
        if getattr(thrown, "error", None) != error:
            raise
        return
    raise AssertionError(f"was not refused but answered: {answer!r}")


def end():
    print(f"{_passed} passed, {_failed} failed")
    sys.exit(1 if _failed or not _passed else 0)
