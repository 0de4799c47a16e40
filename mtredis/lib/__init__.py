"""What the server is built from and knows nothing of Redis: atomics, buffers, hashing, hand-offs between threads."""
