const LOUDEST = 16;  // beyond which samples are whole numbers that nobody has divided

// A run that listens: samples at its own rate in, in pieces of any size; rows of probabilities with their times out.

/** The model in the bytes (an ArrayBuffer, Uint8Array or Buffer) of an exported ONNX file: its description and its graph. */
class Model {
  constructor(bytes) {
    const {graph, properties} = readOnnx(bytes);
    if (!properties.kwstrain) throw new Error("this ONNX file was not exported by kwstrain");
    this.properties = properties;
    this.labels = JSON.parse(properties.labels);
    this.sr = Number(properties.sr);
    this.kind = properties.kind;
    this.detection = properties.detection ? JSON.parse(properties.detection) : null;
    this.source = graph;
  }
}

/** Rows {time, probabilities} of a stream of samples; `time` is that of the newest sample in a row, in s. */
class Recognizer {
  constructor(model) {
    this.model = model;
    this.labels = model.labels;
    this.sr = model.sr;
    this.graph = new Graph(model.source);
    [this.waveform, ...this.states] = this.graph.inputs;
    [this.probabilities, ...this.after] = this.graph.outputs;
    this.streams = model.kind === "stream";
    const {properties, detection} = model;
    this.hop = this.streams ? this.waveform.data.length : Math.round((detection?.hop_s ?? 0.08) * model.sr);
    this.rowTime = this.streams ? Number(properties.row_s) : this.hop / model.sr;
    this.firstTime = this.streams ? Number(properties.first_row_s) : this.rowTime;
    this.reset();
  }

  /** Begin anew, at time 0. */
  reset() {
    this.waveform.data.fill(0);
    for (const state of this.states) state.data.fill(0);
    this.waiting = new Float32Array(this.hop);
    this.nWaiting = 0;
    this.row = this.streams ? -Number(this.model.properties.warm_up_rows) : 0;
    this.steps = 0;
    this.milliseconds = 0;  // that the steps took
  }

  /** The rows that `samples`, a Float32Array in [-1, 1] at the model's rate, complete; anything else is refused, and changes nothing. */
  feed(samples) {
    if (!(samples instanceof Float32Array)) throw new TypeError("samples must be a Float32Array: divide 16-bit values by 32768");
    const wrong = samples.findIndex(value => !(Math.abs(value) <= LOUDEST));
    if (wrong >= 0) {
      throw new RangeError(`sample ${wrong} is ${samples[wrong]} and must lie between -1 and 1: divide 16-bit values by 32768`);
    }
    const rows = [];
    for (let at = 0; at < samples.length;) {
      const n = Math.min(this.hop - this.nWaiting, samples.length - at);
      this.waiting.set(samples.subarray(at, at + n), this.nWaiting);
      this.nWaiting += n;
      at += n;
      if (this.nWaiting === this.hop) {
        this.nWaiting = 0;
        this.step(rows);
      }
    }
    return rows;
  }

  step(rows) {
    const begin = performance.now(), y = this.waveform.data;
    if (this.hop < y.length) y.copyWithin(0, this.hop);
    y.set(this.waiting.subarray(Math.max(0, this.hop - y.length)), Math.max(0, y.length - this.hop));
    this.graph.run();
    this.states.forEach((state, i) => state.data.set(this.after[i].data));
    const n = this.labels.length, given = this.probabilities.data;
    for (let i = 0; i < given.length; i += n, this.row++) {
      if (this.row >= 0) rows.push({time: this.firstTime + this.row * this.rowTime, probabilities: given.slice(i, i + n)});
    }
    this.steps++;
    this.milliseconds += performance.now() - begin;
  }
}
