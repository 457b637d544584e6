"""The IAX2 kernel (RFC 5456), sans-IO: bytes, addresses and times in; bytes and events out."""
