"""The servicers, one a file: what each operation means."""
