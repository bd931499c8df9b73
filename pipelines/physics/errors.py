"""The exceptions of the physics package."""

from __future__ import annotations


class Uncalibrated(ValueError):  # noqa: N818 it is the name of the outcome a scene gets
    """What is known of a scene does not say how its numbers become physical values; it is not guessed."""


class Contradictory(Uncalibrated):
    """What is known of a scene contradicts itself, or the definition of the product that it says it is."""
