"""What every call passes on its way in and out, one concern a file."""
