/* The front end: TensorFlow Lite's micro front end, every rounding and every overflow. A frame of KWS_WIN samples, each KWS_HOP. */

#define KWS_HALF 256 /* complex points of the transform of 512 real ones */

typedef struct {
    int16_t re, im;
} kws_complex;

typedef struct {
    int16_t samples[KWS_WIN];
    int n_samples;
    uint32_t noise[KWS_BANDS]; /* of each band, in 2**-10 */
} kws_front_end;

static inline int16_t kws_rounded(int32_t x) { return (int16_t)((x + (1 << 14)) >> 15); }

static inline kws_complex kws_divided(kws_complex z, int by) {
    const kws_complex w = {kws_rounded(z.re * (32767 / by)), kws_rounded(z.im * (32767 / by))};
    return w;
}

static inline kws_complex kws_turned(kws_complex z, int32_t re, int32_t im) {
    const kws_complex w = {kws_rounded(z.re * re - z.im * im), kws_rounded(z.re * im + z.im * re)};
    return w;
}

static inline kws_complex kws_sum(kws_complex a, kws_complex b) {
    const kws_complex w = {(int16_t)(a.re + b.re), (int16_t)(a.im + b.im)};
    return w;
}

static inline kws_complex kws_difference(kws_complex a, kws_complex b) {
    const kws_complex w = {(int16_t)(a.re - b.re), (int16_t)(a.im - b.im)};
    return w;
}

/* In place, from the order of reversed digits to the natural one: four passes of radix 4. */
static inline void kws_fft(kws_complex *z) {
    int m, a, k;
    for (m = 1; m < KWS_HALF; m *= 4) {
        const int step = KWS_HALF / (4 * m);
        for (a = 0; a < KWS_HALF; a += 4 * m) {
            for (k = a; k < a + m; k++) {
                const kws_complex p = kws_divided(z[k], 4);
                const int by = (k - a) * step;
                const kws_complex q = kws_turned(kws_divided(z[k + m], 4), kws_cos[by], kws_sin[by]);
                const kws_complex r = kws_turned(kws_divided(z[k + 2 * m], 4), kws_cos[2 * by], kws_sin[2 * by]);
                const kws_complex t = kws_turned(kws_divided(z[k + 3 * m], 4), kws_cos[3 * by], kws_sin[3 * by]);
                const kws_complex even = kws_sum(p, r), odd = kws_difference(p, r);
                const kws_complex both = kws_sum(q, t), across = kws_difference(q, t);
                z[k] = kws_sum(even, both);
                z[k + 2 * m] = kws_difference(even, both);
                z[k + m].re = (int16_t)(odd.re + across.im);
                z[k + m].im = (int16_t)(odd.im - across.re);
                z[k + 3 * m].re = (int16_t)(odd.re - across.im);
                z[k + 3 * m].im = (int16_t)(odd.im + across.re);
            }
        }
    }
}

static inline uint32_t kws_energy(int32_t re, int32_t im) { return (uint32_t)(re * re) + (uint32_t)(im * im); }

/* Squared magnitudes of bins 1 .. KWS_HALF - 1 of the real signal. */
static inline void kws_energies(const kws_complex *z, uint32_t *energy) {
    int k;
    for (k = 1; k <= KWS_HALF / 2; k++) {
        const kws_complex mirrored = {z[KWS_HALF - k].re, (int16_t)-z[KWS_HALF - k].im};
        const kws_complex a = kws_divided(z[k], 2), b = kws_divided(mirrored, 2);
        const kws_complex even = kws_sum(a, b), odd = kws_turned(kws_difference(a, b), kws_real_cos[k], kws_real_sin[k]);
        energy[k] = kws_energy((even.re + odd.re) >> 1, (even.im + odd.im) >> 1);
        energy[KWS_HALF - k] = kws_energy((even.re - odd.re) >> 1, (odd.im - even.im) >> 1);
    }
}

/* The nearest whole number to the root. */
static inline uint32_t kws_root(uint64_t n) {
    uint64_t root = 0, rest = n, bit = (uint64_t)1 << 62;
    while (bit > n) bit >>= 2;
    for (; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    if (rest > root && root != (n >> 32 ? 0xFFFFFFFFu : 0xFFFFu)) root++;
    return (uint32_t)root;
}

static inline int kws_bits(uint32_t x) {
    int n = 0;
    for (; x; x >>= 1) n++;
    return n;
}

/* What a level is multiplied with for so much noise: a parabola between powers of two. */
static inline int32_t kws_gain_of(uint32_t noise) {
    const int bits = kws_bits(noise);
    const int32_t fraction = (int32_t)((bits < 11 ? noise << (11 - bits) : noise >> (bits - 11)) & 0x3FF);
    const int32_t *parabola = kws_gain[bits];
    const int32_t above = (((parabola[2] * fraction) >> 5) + parabola[1] * 32) * fraction;
    return (int16_t)(((above + (1 << 14)) >> 15) + parabola[0]);
}

/* ln in 2**-6; between 128 points of the logarithm to base 2, lines. */
static inline uint32_t kws_log_of(uint32_t x) {
    const int n = kws_bits(x) - 1;
    uint32_t fraction, log2, ln;
    int32_t below, rise;
    if (x < 2) return 0;
    fraction = x - ((uint32_t)1 << n);
    fraction = n < 16 ? fraction << (16 - n) : fraction >> (n - 16);
    below = kws_log[fraction >> 9];
    rise = kws_log[(fraction >> 9) + 1] - below;
    log2 = ((uint32_t)n << 16) + fraction + (uint32_t)(below + ((rise * (int32_t)(fraction & 511)) >> 16));
    ln = (uint32_t)(((uint64_t)45426 * log2 + (1 << 15)) >> 16);
    ln = ((ln << 6) + (1 << 15)) >> 16;
    return ln < 65535 ? ln : 65535;
}

/* One band's level without its noise, amplified by it, as a logarithm. */
static inline uint16_t kws_band(uint32_t level, uint32_t *noise, uint32_t smoothing) {
    const uint32_t scaled = level << 10;
    uint32_t clean, least, x;
    *noise = (uint32_t)(((uint64_t)scaled * smoothing + (uint64_t)*noise * ((1 << 14) - smoothing)) >> 14);
    clean = (scaled - (*noise < scaled ? *noise : scaled)) >> 10;
    least = (uint32_t)(((uint64_t)level * 819) >> 14);
    x = (uint32_t)(((uint64_t)(clean > least ? clean : least) * (uint32_t)kws_gain_of(*noise)) >> 6);
    x = x < 8192 ? (x * x) >> 20 : (x >> 6) - 64;
    return (uint16_t)kws_log_of(x << 3);
}

/* The features of the latest KWS_WIN samples. */
static inline void kws_frame(kws_front_end *s, uint16_t *features) {
    kws_complex z[KWS_HALF];
    uint32_t energy[KWS_HALF];
    int16_t windowed[2 * KWS_HALF] = {0};
    uint64_t begun = 0;
    int32_t loudest = 0;
    int i, j, k, shift;
    for (i = 0; i < KWS_WIN; i++) {
        windowed[i] = (int16_t)((s->samples[i] * kws_window[i]) >> 12);
        if (windowed[i] > loudest) loudest = windowed[i];
        if (-windowed[i] > loudest && windowed[i] != -32768) loudest = -windowed[i];
    }
    shift = 15 - kws_bits((uint32_t)loudest);
    for (i = 0; i < KWS_HALF; i++) {
        kws_complex *at = &z[(i & 3) << 6 | (i & 12) << 2 | (i & 48) >> 2 | i >> 6];
        at->re = (int16_t)(uint16_t)((uint32_t)windowed[2 * i] << shift);
        at->im = (int16_t)(uint16_t)((uint32_t)windowed[2 * i + 1] << shift);
    }
    kws_fft(z);
    kws_energies(z, energy);
    for (i = 0, j = 0; i <= KWS_BANDS; i++) { /* a part of the axis: where one band ends and the next begins */
        uint64_t ended = begun;
        begun = 0;
        for (k = kws_first[i]; k < kws_first[i + 1]; k++, j++) {
            ended += (uint64_t)energy[k] * kws_up[j];
            begun += (uint64_t)energy[k] * kws_down[j];
        }
        if (i > 0) features[i - 1] = kws_band(kws_root(ended) >> shift, &s->noise[i - 1], kws_smoothing[i - 1]);
    }
}

/* Takes KWS_HOP samples; 1 when they complete a frame, whose KWS_BANDS features are then written. */
static inline int kws_features(kws_front_end *s, const int16_t *samples, uint16_t *features) {
    memcpy(s->samples + s->n_samples, samples, KWS_HOP * sizeof *samples);
    s->n_samples += KWS_HOP;
    if (s->n_samples < KWS_WIN) return 0;
    kws_frame(s, features);
    s->n_samples = KWS_WIN - KWS_HOP;
    memmove(s->samples, s->samples + KWS_HOP, (KWS_WIN - KWS_HOP) * sizeof *samples);
    return 1;
}
