"""Several handles of one process on one store, beside other processes, until a kill."""
