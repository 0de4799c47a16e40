"""The data types: complete values, each over the encodings that suit its size."""
