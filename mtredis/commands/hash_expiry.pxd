# cython: freethreading_compatible=True
"""hash_expiry.py is compiled, as it stands: a cache whose entries are fields asks for little else."""
