/** A signal at another rate, in pieces of any size: a polyphase filter, flat to 0.9 of the lower rate's half, -80 dB from there on. */
class Resampler {
  constructor(from, to) {
    const common = (a, b) => (b ? common(b, a % b) : a), divisor = common(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    const lower = Math.min(from, to) / from;  // in units of the rate that comes in
    this.half = Math.ceil(50 / lower);
    this.width = 2 * this.half;
    this.filters = new Float32Array(this.up * this.width);
    for (let phase = 0; phase < this.up; phase++) this.design(phase, 0.95 * lower);
    this.reset();
  }

  // The filter between two samples, `phase / up` after the left one: a sinc in Kaiser's window, whose sum is 1.
  design(phase, cut) {
    const bessel = x => {
      let sum = 1;
      for (let k = 1, term = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
      return sum;
    };
    const taps = Array.from({length: this.width}, (_, i) => {
      const t = i - this.half + 1 - phase / this.up, x = Math.PI * cut * t, inside = 1 - (t / this.half) ** 2;
      return (x ? Math.sin(x) / x : 1) * (inside > 0 ? bessel(8 * Math.sqrt(inside)) : 0);
    });
    const sum = taps.reduce((a, b) => a + b, 0);
    this.filters.set(taps.map(tap => tap / sum), phase * this.width);
  }

  /** Before the first sample. */
  reset() {
    this.known = new Float32Array(this.half - 1);  // silence before the beginning, then what is still needed
    this.at = 0;  // in `known`: where the next filter begins
    this.phase = 0;
  }

  /** The samples at the new rate that `samples`, a Float32Array, complete: a new Float32Array. */
  push(samples) {
    if (this.up === this.down) return samples.slice();
    const known = new Float32Array(this.known.length + samples.length);
    known.set(this.known);
    known.set(samples, this.known.length);
    const out = new Float32Array(Math.ceil(samples.length * this.up / this.down) + 1);
    let n = 0;
    while (this.at + this.width <= known.length) {
      const first = this.phase * this.width;
      let sum = 0;
      for (let i = 0; i < this.width; i++) sum += this.filters[first + i] * known[this.at + i];
      out[n++] = sum;
      this.phase += this.down;
      this.at += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    const used = Math.min(this.at, known.length);
    this.known = known.slice(used);
    this.at -= used;
    return out.subarray(0, n);
  }
}

/** The samples, in place, in steps of 16 bits, as those of the recordings that were trained on. */
function asRecorded(samples) {
  for (let i = 0; i < samples.length; i++) samples[i] = Math.max(-32768, Math.min(32767, Math.round(32768 * samples[i]))) / 32768;
  return samples;
}
