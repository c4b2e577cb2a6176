"""The adapters that ship with the package: one module per engine, and none imports another.

Import the one you need, or let ``open_repository(url)`` do it: this package itself loads no driver.
"""
