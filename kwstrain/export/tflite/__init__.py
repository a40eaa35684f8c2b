"""TensorFlow Lite files: written without TensorFlow, and read."""
