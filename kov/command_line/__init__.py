"""The commands' names, options and help texts, by group. `kov.cli` puts them together."""
