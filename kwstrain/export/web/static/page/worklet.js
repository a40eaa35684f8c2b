// Runs where the sound comes in: channels averaged, resampled, rounded to the 16 bits of a recording; sent on every 20 ms.
class Microphone extends AudioWorkletProcessor {
  constructor({processorOptions: {sr}}) {
    super();
    this.resampler = new Resampler(sampleRate, sr);
    this.piece = new Float32Array(Math.round(0.02 * sr));
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    const mono = new Float32Array(channels[0].length);
    for (const channel of channels) for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / channels.length;
    for (const value of asRecorded(this.resampler.push(mono))) {
      this.piece[this.filled++] = value;
      if (this.filled < this.piece.length) continue;
      this.port.postMessage(this.piece);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("kwstrain-microphone", Microphone);
