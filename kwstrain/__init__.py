"""kwstrain: trains keyword spotters with JAX on the files that kwsfeat builds.

``kwstrain.training.fit``, ``kwstrain.evaluation.evaluate`` and ``kwstrain.inference.predict`` are what the commands call.
"""
