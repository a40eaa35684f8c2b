/* A stream: its state, the score of its latest frames, and whether the word was heard. */

typedef struct {
    kws_front_end front_end;
    int8_t frames[KWS_STRIDE * KWS_BANDS]; /* that wait for others */
    int n_frames;
    int8_t known[KWS_KNOWN]; /* by the layers, one after the other */
    int n_scores; /* up to KWS_WARM_UP, from where on the network has seen as much as in training */
    uint8_t scores[KWS_WINDOW];
    int n_slices; /* frames since the beginning, or since the word was heard */
} kws_state;

/* Before the first sample. */
static inline void kws_start(kws_state *s) {
    int8_t *known = s->known;
    int i;
    memset(s, 0, sizeof *s);
    for (i = 0; i < KWS_LAYERS; i++) {
        const int n = kws_layers[i].taps * kws_layers[i].n_in;
        memset(known, kws_layers[i].zero, (size_t)n);
        known += n;
    }
}

/* As devices bring features to the 8 bits of the network. */
static inline int8_t kws_quantised(uint16_t feature) {
    const int32_t q = (feature * 256 + 333) / 666 - 128;
    return (int8_t)(q > 127 ? 127 : q);
}

/* The score, 0 to 255, of the next KWS_STRIDE frames; the first KWS_WARM_UP ones are 0. */
static inline int kws_score(kws_state *s, const int8_t *frames) {
    int8_t values[2][KWS_WIDEST], *known = s->known;
    const int8_t *x = frames;
    int i, rest = 256;
    for (i = 0; i < KWS_LAYERS; i++) {
        kws_run(&kws_layers[i], known, x, values[i & 1]);
        known += kws_layers[i].taps * kws_layers[i].n_in;
        x = values[i & 1];
    }
    if (s->n_scores < KWS_WARM_UP) {
        s->n_scores++;
        return 0;
    }
    if (!KWS_REST) return kws_logistic[x[0] + 128];
    for (i = 0; i < kws_layers[KWS_LAYERS - 1].n_out; i++) rest -= kws_logistic[x[i] + 128];
    return rest < 0 ? 0 : rest > 255 ? 255 : rest;
}

/* Takes KWS_HOP samples: the score, 0 to 255, when they complete KWS_STRIDE frames, otherwise -1. */
static inline int kws_step(kws_state *s, const int16_t *samples) {
    uint16_t features[KWS_BANDS];
    int i, score;
    if (!kws_features(&s->front_end, samples, features)) return -1;
    for (i = 0; i < KWS_BANDS; i++) s->frames[s->n_frames * KWS_BANDS + i] = kws_quantised(features[i]);
    if (s->n_slices < KWS_IGNORED) s->n_slices++;
    if (++s->n_frames < KWS_STRIDE) return -1;
    s->n_frames = 0;
    score = kws_score(s, s->frames);
    memmove(s->scores, s->scores + 1, KWS_WINDOW - 1);
    s->scores[KWS_WINDOW - 1] = (uint8_t)score;
    return score;
}

/* Whether the word was heard: the mean of the last KWS_WINDOW scores is above the cut-off. The next time is then counted anew. */
static inline int kws_heard(kws_state *s) {
    int i, sum = 0;
    for (i = 0; i < KWS_WINDOW; i++) sum += s->scores[i];
    if (s->n_slices < KWS_IGNORED || sum <= KWS_CUTOFF * KWS_WINDOW) return 0;
    memset(s->scores, 0, sizeof s->scores);
    s->n_slices = 0;
    return 1;
}
