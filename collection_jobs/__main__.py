"""`python -m collection_jobs` is the command `collection-jobs`."""

from collection_jobs.cli.entry import main

main()
