# cython: freethreading_compatible=True
"""arguments.py is compiled, as it stands, with the families that use it. Times stay Python integers: their bounds lie
beyond 64 bits.
"""
