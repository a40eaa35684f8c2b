"""How JAX's operations are written as ONNX nodes, one file a kind."""
