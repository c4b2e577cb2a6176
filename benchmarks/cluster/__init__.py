"""A cluster of PostgreSQL that loses its primary: a room of the benchmarks, since it takes minutes.

It needs programs that only Debian's packages have, and what it prints are figures; so it is neither
part of the tests nor of the kit.
"""
