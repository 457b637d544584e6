"""Where accepted messages are kept until their end is known."""
