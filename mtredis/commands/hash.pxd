# cython: freethreading_compatible=True
"""hash.py is compiled, as it stands: what the core does not answer itself of HSET, HGET and their kin comes here."""
