"""The runtime of a node: sample, judge, queue, send, sleep."""
