"""How collections lie in C memory: packed ones in Redis's own layouts, big ones in tables and trees of our own."""
