"""Profiles as data: load the TOML files and generate what nodes, servers and people need from them."""
