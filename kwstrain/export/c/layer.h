/* A layer, in the arithmetic of TensorFlow Lite's reference kernels. */

typedef struct {
    const int8_t *kernel;       /* n_out x taps x n_in, or taps x n_in when depthwise */
    const int32_t *bias;        /* n_out */
    const int32_t *multiplier;  /* n_out, in 2**-31 */
    const int8_t *shift;        /* n_out, to the left */
    int depthwise, taps, stride, n_in, n_out, zero, made_zero, low;
} kws_layer;

static inline int32_t kws_scaled(int32_t total, int32_t multiplier, int shift) {
    const int64_t product = (int64_t)total * (shift > 0 ? (int64_t)1 << shift : 1) * multiplier;
    const int32_t high = (int32_t)((product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / ((int64_t)1 << 31));
    const int right = shift < 0 ? -shift : 0;
    const int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0));
}

static inline int8_t kws_made(const kws_layer *layer, int32_t total, int o) {
    const int32_t q = kws_scaled(total, layer->multiplier[o], layer->shift[o]) + layer->made_zero;
    return (int8_t)(q < layer->low ? layer->low : q > 127 ? 127 : q);
}

/* `known` are the frames that the layer looks at: the oldest go, those of x come. */
static inline void kws_run(const kws_layer *layer, int8_t *known, const int8_t *x, int8_t *y) {
    const int n = layer->taps * layer->n_in, n_new = layer->stride * layer->n_in;
    int i, o;
    memmove(known, known + n_new, (size_t)(n - n_new));
    memcpy(known + n - n_new, x, (size_t)n_new);
    for (o = 0; o < layer->n_out; o++) {
        const int8_t *kernel = layer->depthwise ? layer->kernel : layer->kernel + o * n;
        int32_t total = layer->bias[o];
        for (i = layer->depthwise ? o : 0; i < n; i += layer->depthwise ? layer->n_in : 1) total += (known[i] - layer->zero) * kernel[i];
        y[o] = kws_made(layer, total, o);
    }
}
