"""Every error of the node, in one place.

    NodeError
        ConfigError       the configuration file is missing or cannot be used

There are so few because a node has nobody to tell: a broken sensor is a fault word in a report, a refusing network is
a time to wait for, a full flash is a flag.
"""


class NodeError(Exception):
    """Base of all below."""


class ConfigError(NodeError):
    """Raised by `config.load`; the text names the key. What to do: write the file anew with `spatz deploy`."""
