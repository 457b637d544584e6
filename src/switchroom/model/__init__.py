"""The words of the domain: frozen structures and errors, with no behaviour beyond validation."""
