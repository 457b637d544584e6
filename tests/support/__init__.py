"""What the tests share: a running server, phones, an ARI client, event sockets, configurations."""
