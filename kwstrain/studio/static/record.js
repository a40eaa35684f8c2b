// A take from the microphone. All times are those of the samples: a busy machine delays the countdown, and cuts nothing.
import {wav} from "./sound.js";

const COUNT_S = 1.2, BEFORE_S = 1.0, AFTER_S = 2.4;  // of the moment at which the word may begin

export class Recorder {
  constructor(page, frame, count) {
    Object.assign(this, {page, frame, count, at: null});
  }

  async toggle() {
    if (this.at !== null) return this.cancel();
    if (!await this.page.microphone()) return undefined;
    this.at = this.page.ring.n + COUNT_S * this.page.state.sr;
    this.frame.classList.add("taking");
    this.page.say("");
    return undefined;
  }

  cancel() {
    this.at = null;
    this.count.textContent = "";
    this.frame.classList.remove("taking");
  }

  /** The ring has more samples. */
  hear() {
    if (this.at === null) return;
    const {ring, state: {sr}} = this.page, left = (this.at - ring.n) / sr;
    this.count.textContent = left > 0 ? String(Math.ceil(3 * left / COUNT_S)) : left > -0.7 ? "say it" : "";
    if (left > -AFTER_S) return;
    const samples = ring.cut(this.at - BEFORE_S * sr, this.at + AFTER_S * sr);
    this.cancel();
    this.page.takes.add(wav(samples, sr));
  }
}
