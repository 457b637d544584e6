"""The stateful proxy (RFC 3261 16): calls between endpoints, and to trunks."""
