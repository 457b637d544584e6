"""Whole worlds from a seed: phones, a bad network, a store that fails, a server that dies, all on a virtual clock."""
