/**
 * Probabilities in, events {word, start, time, score} out: the mean of the last rows, a threshold for each word, hysteresis, and a time
 * in which a word is not heard again. The same as kwsfeat.Detector.
 */
class Detector {
  constructor(labels, {thresholds, smoothing_frames = 1, hysteresis = 0.05, refractory_s = 1}) {
    this.words = Object.entries(thresholds).map(([word, threshold]) => ({word, threshold, column: labels.indexOf(word)}));
    const unknown = this.words.find(one => one.column < 0);
    if (unknown) throw new Error(`${unknown.word} is not one of the labels ${labels.join(", ")}`);
    this.smoothing = smoothing_frames;
    this.hysteresis = hysteresis;
    this.refractory = refractory_s;
    this.reset();
  }

  /** Forget what was heard. */
  reset() {
    for (const one of this.words) {
      Object.assign(one, {last: new Array(this.smoothing).fill(0), score: 0, armed: true, risen: NaN, event: -Infinity});
    }
  }

  /** The events of one row. */
  feed({time, probabilities}) {
    const events = [];
    for (const one of this.words) {
      one.last.push(probabilities[one.column]);
      one.last.shift();
      one.score = one.last.reduce((sum, p) => sum + p, 0) / this.smoothing;
      if (one.score < one.threshold - this.hysteresis) {
        one.armed = true;
        one.risen = NaN;
        continue;
      }
      if (Number.isNaN(one.risen)) one.risen = time;
      if (!one.armed || one.score < one.threshold || time < one.event + this.refractory - 1e-6) continue;  // rounded times
      one.armed = false;
      one.event = time;
      events.push({word: one.word, start: one.risen, time, score: one.score});
    }
    return events;
  }
}
