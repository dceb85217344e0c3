"""What carries the servicers to the wire."""
