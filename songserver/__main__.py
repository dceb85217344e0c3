"""`python -m songserver` is the command `songserver`."""

from songserver.cli import main

main()
