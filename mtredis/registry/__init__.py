"""The command registry: declarations (syntax), keys (keyspec), commands (command) and their documentation (docs)."""
