"""`collection-jobs jobs`: look at the jobs behind any URL, and change what a person may change."""
