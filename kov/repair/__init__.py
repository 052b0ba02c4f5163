"""`kov repair`: a partition whose log stream was trimmed too far, and what it takes to go on."""
