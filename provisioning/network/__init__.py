"""Network servers: the place where a device is made known. ChirpStack v4 so far."""
