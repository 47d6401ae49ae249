"""The services of ChirpStack's gRPC API, one module each. Methods not written answer UNIMPLEMENTED."""
