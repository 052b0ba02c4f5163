"""`kov demo`: two real producers write, the records are read back twice, and everything is compared.

The clients are optional dependencies (extra `demo`); nothing here is imported by `kov serve`.
"""
