"""The one exception of the bench."""


class BenchFault(Exception):
    """What keeps a measurement from being made, in words for the person at the terminal."""
