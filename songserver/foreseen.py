"""What can go wrong, and was thought of."""


class Foreseen(Exception):
    """An error whose message is all that a person needs: what was wrong, and what to do. No traceback is shown."""
