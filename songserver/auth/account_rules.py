"""The rules of names and passwords that take more than the contract can say: lists."""

from importlib.resources import files

from songs.v1 import status_pb2
from songserver.auth.usernames import mixes_scripts
from songserver.errors import InvalidRequest, Violation
from songserver.text import folded

AROUND = "0123456789 .,;:!?_-+*#@$%&/()="
"""What people put before or behind a word to make a password of it."""


class AccountRules:
    """Refuses passwords that are guessed first, and names that deceive. Accounts that there are keep theirs."""

    def __init__(self) -> None:
        """Reads the list of the commonest passwords."""
        text = (files("songserver.auth") / "common-passwords.txt").read_text("utf-8")
        self._common = frozenset(text.partition("\n\n")[2].splitlines())

    def check_username(self, username: str, field: str) -> None:
        """Checks a new name.

        Args:
            username: The name, which keeps the rules of the contract.
            field: The path of the field that has it, for the violation.

        Raises:
            InvalidRequest: If it breaks a rule.
        """
        if mixes_scripts(username):
            raise _broken(
                field, "must have letters of one script and digits of one kind: others look like them and are not"
            )

    def check_password(self, password: str, username: str, field: str) -> None:
        """Checks a new password.

        Args:
            password: The password, which keeps the rules of the contract.
            username: The name of the user who is to have it.
            field: The path of the field that has it, for the violation.

        Raises:
            InvalidRequest: If it breaks a rule. What it says has nothing of the password in it.
        """
        if password.casefold() in self._common:
            raise _broken(field, "must not be one of the commonest passwords, which are tried first: think of another")
        if _is_made_of(folded(password), folded(username)):
            raise _broken(field, "must not be made of the user name: think of another")


def _is_made_of(password: str, username: str) -> bool:
    """Whether it is the name, forwards, backwards or repeated, with or without something before or behind it."""
    names = {username, username[::-1], username.strip(AROUND), username.strip(AROUND)[::-1]} - {""}
    cores = {password, password.strip(AROUND)}
    return any(core and not core.replace(name, "") for core in cores for name in names)


def _broken(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(status_pb2.INVALID_USER_DETAILS, [Violation(field, description)])
