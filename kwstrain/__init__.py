"""kwstrain: trains keyword spotters with JAX on the files that kwsfeat builds.

``kwstrain.fit.fit``, ``kwstrain.evaluate.evaluate`` and ``kwstrain.predict.predict`` are what the commands call.
"""
