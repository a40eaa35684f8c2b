"""Some frames through a network on a stream: every layer in turn, by a table that says where its values, state and weights lie.

Channels lie side by side, filled up with zeros to whole vectors where a layer makes them. What a convolution reads lies in one
piece: its past frames, kept in `state`, the new ones behind them, the zeros around the bands between.
"""

import numpy as np

from kwsfeat.kernels._jit import LANES, inlined, jit, stage
from kwsfeat.kernels.simd import at_least, broadcast, fma, load, splat, store

f32 = np.float32

WIDTH_STEP = LANES  # channels are filled up to a multiple of this
DENSE, DEPTHWISE, BAND_MEAN, SUM, MAX_POOL, EVENED = range(6)
PLAIN, RELU, SILU, LEAKY = range(4)
ROWS = 4  # outputs that share what is loaded of the kernel

# Columns of the table. Offsets count float32 values: of sources and results in `values`, of HELD in `state`, the others in `weights`.
(
    KIND, SOURCE, N_FRAMES, N_BANDS, WIDTH, RESULT, N_FRAMES_OUT, N_BANDS_OUT, WIDTH_OUT, N_IN, TAPS, BAND_TAPS, DILATION, STRIDE,
    BAND_STRIDE, PAD, N_PADDED, HELD, PAST, KERNEL, BIAS, BIAS_STEP, GAIN, ACTIVATION, SECOND, SECOND_BANDS, THIRD, LEAD, N_COLUMNS,
) = range(29)  # fmt: skip


@jit
def run(table, weights, values, state, begins):
    """All layers. `values` float32 begins with the input; `begins` is 1 where `LEAD` frames stand before the first one, else 0."""
    for i in range(table.shape[0]):
        layer = table[i]
        if layer[KIND] == BAND_MEAN:
            _band_mean(layer, values)
        elif layer[KIND] == SUM:
            _sum(layer, values)
        elif layer[KIND] == MAX_POOL:
            _max_pool(layer, values)
        elif layer[KIND] == EVENED:
            _even(layer, weights, values)
        elif layer[HELD] < 0:
            _convolve(layer, weights, values, layer[SOURCE], values)
        else:
            _enter(layer, values, state, begins * layer[LEAD])
            _convolve(layer, weights, state, layer[HELD], values)
            _move_on(layer, state)
        if layer[ACTIVATION] == SILU:
            _silu(values, layer[RESULT], layer[N_FRAMES_OUT] * layer[N_BANDS_OUT] * layer[WIDTH_OUT])


@jit
def answer(values, last, width, ring, counts, weights, kernel, bias, width_out, out):
    """Logits `out` (n, width_out) of n frames at `last`: of the mean of the latest `counts` frames, summed anew from oldest to newest.

    `ring` float32 (n_mean + n, width) holds the frames before in its first n_mean rows. A frame whose count is 0 does not count.
    """
    n = counts.size
    n_mean = ring.size // width - n
    for t in range(n):
        for v in range(0, width, LANES):
            store(ring, (n_mean + t) * width + v, load(values, last + t * width + v) * splat(f32(1) if counts[t] > 0 else f32(0)))
    for t in range(n):
        for v in range(0, width_out, LANES):
            store(out, t * width_out + v, load(weights, bias + v))
        share = f32(1) / f32(max(counts[t], 1))
        for v in range(0, width, LANES):
            total = splat(f32(0))
            for row in range(t + 1, t + 1 + n_mean):
                total = total + load(ring, row * width + v)
            store(values, last + t * width + v, total * splat(share))
        for i in range(width):
            x = broadcast(values, last + t * width + i)
            for v in range(0, width_out, LANES):
                store(out, t * width_out + v, fma(x, load(weights, kernel + i * width_out + v), load(out, t * width_out + v)))
    for i in range(n_mean * width):
        ring[i] = ring[n * width + i]


@stage
def _enter(layer, values, state, n_before):
    """The new frames to their place behind the past ones, the first `n_before` as zeros; the zeros around the bands are there already."""
    n_bands, width = layer[N_BANDS], layer[WIDTH]
    for t in range(layer[N_FRAMES]):
        to = layer[HELD] + ((layer[PAST] + t) * layer[N_PADDED] + layer[PAD]) * width
        source = layer[SOURCE] + t * n_bands * width
        for i in range(n_bands * width):
            state[to + i] = f32(0) if t < n_before else values[source + i]


@stage
def _move_on(layer, state):
    """The latest frames become the past ones."""
    size = layer[N_PADDED] * layer[WIDTH]
    to, source = layer[HELD], layer[HELD] + layer[N_FRAMES] * size
    for i in range(layer[PAST] * size):
        state[to + i] = state[source + i]


@stage
def _convolve(layer, weights, x, start, values):
    """A convolution of `x` from `start` on, where frames follow each other with all that lies between them."""
    width, n_padded = layer[WIDTH], layer[N_PADDED]
    frame, band = layer[STRIDE] * n_padded * width, layer[BAND_STRIDE] * width
    n_frames, n_bands = layer[N_FRAMES_OUT], layer[N_BANDS_OUT]
    if layer[TAPS] * layer[BAND_TAPS] == 1 and layer[STRIDE] * layer[BAND_STRIDE] == 1 and layer[BIAS_STEP] == 0:
        n_frames, n_bands = 1, n_frames * n_bands  # every output is made alike: one long row of bands
    for t in range(n_frames):
        to = layer[RESULT] + t * n_bands * layer[WIDTH_OUT]
        f = 0
        while f + ROWS <= n_bands:
            _outputs(layer, weights, x, start + t * frame + f * band, values, to + f * layer[WIDTH_OUT], f, band)
            f += ROWS
        while f < n_bands:
            _outputs(layer, weights, x, start + t * frame + f * band, values, to + f * layer[WIDTH_OUT], f, 0)
            f += 1


@stage
def _outputs(layer, weights, x, start, values, to, f, band):
    """ROWS outputs beside each other, `band` values apart in the input; one where `band` is 0."""
    width, width_out = layer[WIDTH], layer[WIDTH_OUT]
    row = layer[DILATION] * layer[N_PADDED] * width
    size = (1 if layer[KIND] == DEPTHWISE else layer[N_IN]) * width_out
    for v in range(0, width_out, LANES):
        a = b = c = d = splat(f32(0))
        for tap in range(layer[TAPS]):
            for band_tap in range(layer[BAND_TAPS]):
                place = start + tap * row + band_tap * width
                k = layer[KERNEL] + (tap * layer[BAND_TAPS] + band_tap) * size + v
                if layer[KIND] == DEPTHWISE:
                    w = load(weights, k)
                    a = fma(load(x, place + v), w, a)
                    if band > 0:
                        b = fma(load(x, place + band + v), w, b)
                        c = fma(load(x, place + 2 * band + v), w, c)
                        d = fma(load(x, place + 3 * band + v), w, d)
                elif band > 0:
                    for i in range(layer[N_IN]):
                        w = load(weights, k + i * width_out)
                        a = fma(broadcast(x, place + i), w, a)
                        b = fma(broadcast(x, place + band + i), w, b)
                        c = fma(broadcast(x, place + 2 * band + i), w, c)
                        d = fma(broadcast(x, place + 3 * band + i), w, d)
                else:
                    for i in range(layer[N_IN]):
                        a = fma(broadcast(x, place + i), load(weights, k + i * width_out), a)
        _finish(layer, weights, values, to, f, v, a)
        if band > 0:
            _finish(layer, weights, values, to + width_out, f + 1, v, b)
            _finish(layer, weights, values, to + 2 * width_out, f + 2, v, c)
            _finish(layer, weights, values, to + 3 * width_out, f + 3, v, d)


@inlined
def _finish(layer, weights, values, to, f, v, total):
    """Gain, bias, ReLU or its leaky form, and to its place."""
    bias = load(weights, layer[BIAS] + f * layer[BIAS_STEP] + v)
    y = total + bias if layer[GAIN] < 0 else fma(total, load(weights, layer[GAIN] + f * layer[BIAS_STEP] + v), bias)
    if layer[ACTIVATION] == RELU:
        y = at_least(y, splat(f32(0)))
    elif layer[ACTIVATION] == LEAKY:
        y = at_least(at_least(y, y * splat(f32(0.2))), splat(f32(-0.4)))
    store(values, to + v, y)


@stage
def _max_pool(layer, values):
    n_bands, width = layer[N_BANDS], layer[WIDTH]
    for t in range(layer[N_FRAMES_OUT]):
        for f in range(layer[N_BANDS_OUT]):
            place = layer[SOURCE] + (t * layer[STRIDE] * n_bands + f * layer[BAND_STRIDE]) * width
            to = layer[RESULT] + (t * layer[N_BANDS_OUT] + f) * width
            for v in range(0, width, LANES):
                y = load(values, place + v)
                for i in range(layer[STRIDE]):
                    for j in range(layer[BAND_STRIDE]):
                        y = at_least(y, load(values, place + (i * n_bands + j) * width + v))
                store(values, to + v, y)


@stage
def _band_mean(layer, values):
    n_bands, width = layer[N_BANDS], layer[WIDTH]
    for t in range(layer[N_FRAMES]):
        for v in range(0, width, LANES):
            total = splat(f32(0))
            for f in range(n_bands):
                total = total + load(values, layer[SOURCE] + (t * n_bands + f) * width + v)
            store(values, layer[RESULT] + t * width + v, total * splat(f32(1) / f32(n_bands)))


@stage
def _sum(layer, values):
    n_bands, width = layer[N_BANDS], layer[WIDTH]
    for t in range(layer[N_FRAMES]):
        for f in range(n_bands):
            place = (t * n_bands + f) * width
            second = layer[SECOND] + (place if layer[SECOND_BANDS] > 1 else t * width)
            for v in range(0, width, LANES):
                y = load(values, layer[SOURCE] + place + v) + load(values, second + v)
                if layer[THIRD] >= 0:
                    y = y + load(values, layer[THIRD] + place + v)
                store(values, layer[RESULT] + place + v, at_least(y, splat(f32(0))))


@stage
def _even(layer, weights, values):
    """`GAIN`: the power of the root mean square, and what is added to the mean square."""
    n = layer[N_BANDS] * layer[WIDTH]  # the channels that fill up hold zeros
    power, smallest = weights[layer[GAIN]], weights[layer[GAIN] + 1]
    for t in range(layer[N_FRAMES]):
        total = f32(0)
        for i in range(layer[SOURCE] + t * n, layer[SOURCE] + (t + 1) * n):
            total += values[i] * values[i]
        share = (total / f32(layer[N_BANDS] * layer[N_IN]) + smallest) ** (f32(-0.5) * power)
        for i in range(n):
            values[layer[RESULT] + t * n + i] = values[layer[SOURCE] + t * n + i] * share


@stage
def _silu(values, start, n):
    for i in range(start, start + n):
        values[i] = values[i] / (f32(1) + np.exp(-values[i]))
