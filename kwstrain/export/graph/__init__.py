"""From a JAX function to an ONNX graph."""
