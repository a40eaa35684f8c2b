"""Rules that write JAX's operations as ONNX nodes, one module per kind of operation."""
