const clock = s => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** What a network hears: a bar for each class, with its threshold; `heard` is called for each event. */
class Listening {
  constructor(bytes, bars, heard) {
    this.model = new kws.Model(bytes);
    this.recognizer = new kws.Recognizer(this.model);
    this.detector = new kws.Detector(this.model.labels, this.model.detection);
    this.words = this.detector.words.map(one => one.word);
    this.heard = heard;
    this.latest = null;
    this.bars = [...this.words, ...this.model.labels.filter(label => !this.words.includes(label))].map(label => this.bar(label));
    bars.replaceChildren(...this.bars.map(one => one.row));
  }

  bar(label) {
    const word = this.detector.words.find(one => one.word === label), row = element("div", word ? "class" : "class other");
    const track = element("div", "track"), fill = element("div", "fill"), value = element("span", "value");
    track.append(fill);
    if (word) {
      const mark = element("div", "threshold");
      mark.style.left = `${100 * word.threshold}%`;
      mark.title = `threshold ${word.threshold.toFixed(2)}`;
      track.append(mark);
    }
    const name = element("span", "name", label);
    name.title = label;
    row.append(name, track, value);
    return {column: this.model.labels.indexOf(label), label, row, fill, value, heard: -1e9};
  }

  /** Begin anew, at time 0. */
  begin() {
    this.recognizer.reset();
    this.detector.reset();
    this.latest = null;
  }

  /** The next samples at the network's rate; returns the rows that they complete. */
  hear(samples) {
    const rows = this.recognizer.feed(samples);
    for (const row of rows) {
      this.latest = row.probabilities;
      for (const event of this.detector.feed(row)) {
        this.bars.find(one => one.label === event.word).heard = performance.now();
        this.heard(event);
      }
    }
    return rows;
  }

  draw() {
    for (const one of this.latest ? this.bars : []) {
      const p = this.latest[one.column];
      one.fill.style.transform = `scaleX(${p})`;
      one.value.textContent = p.toFixed(2);
      one.row.classList.toggle("heard", performance.now() - one.heard < 700);
    }
  }

  /** Milliseconds of work for as many of sound, and whether that is too much. */
  get load() {
    const {steps, milliseconds, hop, sr} = this.recognizer, audio = 1000 * hop / sr, work = milliseconds / Math.max(1, steps);
    return {work, audio, slow: steps > 10 && work > 0.9 * audio};
  }
}

/** A level meter: the loudest of late, falling slowly. */
class Meter {
  constructor(bar) {
    this.bar = bar;
    this.level = 0;
  }

  hear(samples) {
    let power = 0;
    for (const value of samples) power += value * value;
    this.level = Math.max(this.level, Math.sqrt(power / samples.length));
  }

  draw() {
    const decibel = 20 * Math.log10(this.level + 1e-6);
    this.bar.style.clipPath = `inset(0 ${Math.min(100, Math.max(0, -decibel / 0.6))}% 0 0)`;
    this.level *= 0.85;
  }
}
