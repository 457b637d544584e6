"""Tests of the HTTP and WebSocket edge."""
