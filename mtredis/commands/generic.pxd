# cython: freethreading_compatible=True
"""generic.py is compiled, as it stands: EXPIRE, DEL and EXISTS go with most writes to a cache."""
