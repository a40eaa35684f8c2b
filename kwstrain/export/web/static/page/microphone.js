/** The microphone: `hear` gets its samples, 20 ms of them at a time; `ended` is called when it is unplugged. */
class Microphone {
  constructor(hear, ended) {
    this.hear = hear;
    this.ended = ended;
    this.context = this.track = null;
  }

  /** Open it at `sr` Hz, with the worklet at an address; without what browsers do to make a voice agreeable. */
  async open(sr, worklet) {
    if (!navigator.mediaDevices) throw new Error("the browser gives no microphone to this address: open it from https or http://localhost");
    const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1};
    try {
      const stream = await navigator.mediaDevices.getUserMedia({audio});
      [this.track] = stream.getAudioTracks();
      this.track.addEventListener("ended", this.ended);
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule(worklet);
      const node = new AudioWorkletNode(this.context, "kwstrain-microphone", {processorOptions: {sr}});
      node.port.onmessage = ({data}) => this.hear(data);
      this.context.createMediaStreamSource(stream).connect(node).connect(this.context.destination);  // which stays silent
      await this.context.resume();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close() {
    const {context, track} = this;
    this.context = this.track = null;
    track?.stop();
    await context?.close();
  }

  /** Why it could not be opened, in words. */
  static why(error) {
    return error.name === "NotAllowedError" ? "The microphone was not allowed: allow it for this page, and start again." :
      `No microphone: ${error.message}`;
  }
}

const DECODED_HZ = 48000;

/** The samples of a recording, channels averaged, at DECODED_HZ. */
async function decoded(file) {
  const sound = await new OfflineAudioContext(1, 1, DECODED_HZ).decodeAudioData(await file.arrayBuffer());
  const mono = new Float32Array(sound.length);
  for (let c = 0; c < sound.numberOfChannels; c++) {
    sound.getChannelData(c).forEach((value, i) => { mono[i] += value / sound.numberOfChannels; });
  }
  return mono;
}
