"""Real SIP software of others as peers."""
