"""The adapters of this package: one module per engine, and none imports another.

Import the one you need, or use ``open_repository(url)``: this package itself loads no driver.
"""
