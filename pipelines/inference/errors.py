"""The exception of the inference package."""

from __future__ import annotations


class InferenceError(RuntimeError):
    """A map that cannot be made from this cube and checkpoint; the message says the rule, the value and the fix."""
