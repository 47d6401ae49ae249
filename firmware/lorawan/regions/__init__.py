"""Regions as pages of facts: one module each, with the revision it comes from. The algorithms are elsewhere."""
