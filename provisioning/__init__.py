"""The operator's tool: flash, deploy, keys, registration, labels, and the payload code generator."""
