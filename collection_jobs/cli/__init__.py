"""The command line `collection-jobs`: each command parses, runs what the library does, renders."""
