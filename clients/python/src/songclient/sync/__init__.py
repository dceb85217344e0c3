# Generated from songclient/aio by unasync.py: change it there.
"""The client without asyncio."""
