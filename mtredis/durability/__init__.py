"""What survives the process: RDB files and, later, the append-only file and the snapshot that both are made from."""
