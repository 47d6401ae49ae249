"""The demo: a city block on one machine, and a verdict on whether every promise was kept."""
