"""Errors of a user's labels."""


class LabelError(ValueError):
    """Labels break a rule; the message says which, what was found and what to do."""
