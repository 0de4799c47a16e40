"""The stream commands: entries, consumer groups, and what XINFO tells about both."""
