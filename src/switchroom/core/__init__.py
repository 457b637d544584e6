"""Behaviour that no technology owns: who exists, who is reachable, what is on its way, who hears of it."""
