// Sound in the page: the latest seconds of it, WAV files, and pictures.

/** The latest `seconds` of a stream of samples. */
export class Ring {
  constructor(seconds, sr) {
    this.samples = new Float32Array(Math.round(seconds * sr));
    this.n = 0;  // samples since the beginning
  }

  push(samples) {
    for (const value of samples) this.samples[this.n++ % this.samples.length] = value;
  }

  /** The samples from `start` to before `stop`, as far as they are known: both count from the beginning. */
  cut(start, stop) {
    const first = Math.max(start, 0, this.n - this.samples.length), last = Math.min(stop, this.n);
    return Float32Array.from({length: Math.max(0, last - first)}, (_, i) => this.samples[(first + i) % this.samples.length]);
  }
}

/** Samples, in steps of 16 bits, as a WAV file. */
export function wav(samples, sr) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sr, true);
  view.setUint32(28, 2 * sr, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, 32768 * value, true));
  return new Blob([view], {type: "audio/wav"});
}

/** A recording of any kind and rate that the browser reads, as samples at `sr`. */
export async function samplesOf(file, sr) {
  return kws.asRecorded(new kws.Resampler(DECODED_HZ, sr).push(await decoded(file)));
}

/** Frames of what the embedding hears, and the extremes of the waveform below each of them. */
export class FrontEnd {
  constructor(bytes) {
    this.graph = new kws.Graph(kws.readOnnx(bytes).graph);
    [this.waveform, ...this.states] = this.graph.inputs;
    [this.frames, ...this.after] = this.graph.outputs;
    this.nBands = this.frames.shape[1];
    this.hop = this.waveform.data.length / this.frames.shape[0];
    this.range = {floor: this.of(0), loud: this.of(0.1)};
    this.reset();
  }

  /** The largest value of noise with an amplitude. */
  of(amplitude) {
    this.reset();
    const columns = this.push(Float32Array.from({length: 3 * this.waveform.data.length}, (_, i) => amplitude * Math.sin(i * i)));
    return Math.max(...columns.at(-1).bands);
  }

  reset() {
    for (const state of this.states) state.data.fill(0);
    this.filled = 0;
  }

  /** The columns {bands, low, high} that `samples` complete. */
  push(samples) {
    const columns = [], y = this.waveform.data;
    for (const value of samples) {
      y[this.filled++] = value;
      if (this.filled < y.length) continue;
      this.filled = 0;
      this.graph.run();
      this.states.forEach((state, i) => state.data.set(this.after[i].data));
      for (let i = 0; i < this.frames.shape[0]; i++) {
        const part = y.subarray(i * this.hop, (i + 1) * this.hop);
        columns.push({
          bands: this.frames.data.slice(i * this.nBands, (i + 1) * this.nBands), low: Math.min(...part), high: Math.max(...part),
        });
      }
    }
    return columns;
  }
}

const STOPS = [[13, 16, 32], [38, 24, 84], [108, 32, 128], [190, 55, 104], [243, 119, 71], [253, 196, 104], [252, 253, 191]];
const COLOURS = Uint8ClampedArray.from({length: 256 * 3}, (_, i) => {
  const at = Math.floor(i / 3) / 255 * (STOPS.length - 1), left = Math.min(STOPS.length - 2, Math.floor(at)), c = i % 3;
  return STOPS[left][c] + (at - left) * (STOPS[left + 1][c] - STOPS[left][c]);
});
const small = document.createElement("canvas"), image = small.getContext("2d", {willReadFrequently: true});

/** Draws the last `n` columns: the waveform above, log-mel below; `floor` and `loud` are what the bands are of silence and of loud noise. */
export function draw(canvas, columns, n, {floor, loud}) {
  const context = sized(canvas), {width, height} = canvas, top = Math.round(0.34 * height), step = width / n, empty = n - columns.length;
  context.clearRect(0, 0, width, height);
  if (!columns.length) return;
  const nBands = columns[0].bands.length, pixels = image.createImageData(columns.length, nBands);
  const loudest = Math.max(floor + SOFTEST * (loud - floor), ...columns.map(one => Math.max(...one.bands)));
  const low = loudest - LOUDNESS * (loudest - floor);
  columns.forEach((one, x) => one.bands.forEach((value, band) => {
    const k = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - low) / (loudest - low)))), at = 4 * ((nBands - 1 - band) * columns.length + x);
    for (let c = 0; c < 3; c++) pixels.data[at + c] = COLOURS[k + c];
    pixels.data[at + 3] = 255;
  }));
  Object.assign(small, {width: columns.length, height: nBands});
  image.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, empty * step, top, columns.length * step, height - top);
  context.fillStyle = "#8fb0ff";
  columns.forEach((one, i) => {
    const up = Math.max(0, one.high) ** 0.7, down = Math.max(0, -one.low) ** 0.7;  // quiet sound is seen, too
    context.fillRect((empty + i) * step, top / 2 * (1 - up), Math.max(1, step), Math.max(1, top / 2 * (up + down)));
  });
}

const SOFTEST = 0.75, LOUDNESS = 0.85;  // the brightest colour is at least so much of a loud noise; so much of its range has colours

/** The context of a canvas that has as many pixels as it takes on the screen. */
export function sized(canvas) {
  const scale = window.devicePixelRatio, width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  return canvas.getContext("2d");
}
