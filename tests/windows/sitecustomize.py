"""Have every interpreter pretend that finds this module on its path, as those of workers do."""

import sys
from importlib import import_module

from tests.windows.pretend import pretend

# It asks mypy, which looks at its system when it is imported, and takes a while for that.
if "collection_jobs.conformance.isolated.child" in sys.orig_argv:
    import_module("mypy.api")
    import_module("mypy.main")

pretend()
