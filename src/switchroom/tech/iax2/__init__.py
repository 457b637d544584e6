"""IAX2: peers that register or are at a known address, whether they answer, and texts in short calls."""
