"""Where songs, users and sessions are kept. Only here is pymongo known."""
