"""The rows of the threat model, one module each."""
