"""The HTTP and WebSocket edge: ARI's operations, events and documentation over the core."""
