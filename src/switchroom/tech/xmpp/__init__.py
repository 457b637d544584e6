"""XMPP: accounts on other people's servers, on slixmpp."""
