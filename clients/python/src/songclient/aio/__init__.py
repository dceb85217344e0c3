"""The client for asyncio. `songclient.sync` is generated from this package."""
