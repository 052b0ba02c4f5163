"""`kov top`: what a running kov is doing, looked at from outside."""
