// Listening: probabilities and events as they come; what was taken for the word by mistake becomes a negative.
import {sized, wav} from "./sound.js";
import {bytesOf} from "./server.js";
import {button} from "./recordings.js";

const $ = id => document.getElementById(id);
const SECONDS = 12, BEFORE_S = 2, AFTER_S = 1, MOST = 50;  // shown; of an event that are kept, as by kwstrain listen; events

export class Live {
  constructor(page) {
    Object.assign(this, {page, run: "", listening: null, on: false, rows: [], marks: [], open: []});
    $("listen").addEventListener("click", () => (this.on ? this.stop() : this.start()));
  }

  show({run}) {
    $("away").hidden = !run;
    $("listen").disabled = !run?.listens;
    if (!run || run.name === this.run) return;
    this.run = run.name;
    const parts = {page: "page.html", onnx: "stream.onnx", run: "run.zip", report: "report.html"};
    for (const [id, name] of Object.entries(parts)) $(`get-${id}`).href = `runs/${run.name}/${name}`;
    $("command").textContent = `kwstrain listen ${run.path}`;
    const again = this.on;
    this.stop();
    this.listening = null;
    if (run.listens && again) this.start();
  }

  async start() {
    const {page} = this;
    try {
      this.listening ??= new Listening(await bytesOf(`runs/${this.run}/model.onnx`), $("bars"), event => this.heard(event));
    } catch (error) {
      return page.say(`The network cannot be loaded: ${error.message}`, true);
    }
    if (!await page.microphone()) return undefined;
    Object.assign(this, {on: true, from: page.done, rows: [], marks: []});
    this.begin();
    this.button();
    $("timeline").hidden = false;
    $("none").hidden = true;
    return undefined;
  }

  begin() {
    this.listening.begin();
    this.first = this.page.done;
  }

  /** Seconds of sound since listening began, with what was left out: of a time since the network began, which it does anew after that. */
  since(time) {
    return (this.first - this.from) / this.page.state.sr + time;
  }

  /** Some sound was left out. */
  lost() {
    if (!this.on) return;
    this.begin();
    this.page.say("This machine is too slow, or too busy, to hear everything: some sound was left out.", true);
  }

  stop() {
    this.on = false;
    this.close(Infinity);
    this.button();
  }

  button() {
    $("listen").textContent = this.on ? "Stop listening" : "Listen";
    $("listen").classList.toggle("on", this.on);
  }

  hear(samples) {
    if (this.on) {
      const [column] = this.listening.bars.map(one => one.column);
      for (const {time, probabilities} of this.listening.hear(samples)) this.rows.push({time: this.since(time), p: probabilities[column]});
      const now = (this.page.done - this.from) / this.page.state.sr;
      while (this.rows.length && this.rows[0].time < now - SECONDS) this.rows.shift();
    }
    this.close(this.page.ring.n);
  }

  /** The sound of the events whose last sample is before `now`. */
  close(now) {
    while (this.open.length && now >= this.open[0].stop) {
      const {start, stop, ready} = this.open.shift();
      ready(wav(this.page.ring.cut(start, stop), this.page.state.sr));
    }
  }

  heard({word, time: after, score}) {
    const {state: {sr}} = this.page, at = this.first + Math.round(after * sr), time = this.since(after), item = element("li", "");
    Object.assign(item.dataset, {word, time, score});
    const sound = new Promise(ready => { this.open.push({start: at - BEFORE_S * sr, stop: at + AFTER_S * sr, ready}); });
    const play = button("icon", "▶", async () => this.page.play(await sound));
    const wrong = button("small", "False alarm", async () => {
      wrong.replaceWith(element("span", "said", "not the word"));
      await this.page.negatives.add(await sound, "");
    });
    item.append(play, element("span", "time", clock(time)), element("span", "word", word), element("span", "score", score.toFixed(2)), wrong);
    $("events").prepend(item);
    if ($("events").children.length > MOST) $("events").lastChild.remove();
    this.marks.push(time);
  }

  draw() {
    if (!this.on) return;
    this.listening.draw();
    this.timeline();
  }

  timeline() {
    const canvas = $("timeline"), context = sized(canvas), {width, height} = canvas, style = getComputedStyle(canvas);
    const colour = name => style.getPropertyValue(name).trim(), [{threshold}] = this.listening.detector.words;
    const now = this.rows.at(-1)?.time ?? 0, x = time => width * (1 - (now - time) / SECONDS), y = p => height - 3 - p * (height - 8);
    context.clearRect(0, 0, width, height);
    context.lineWidth = Math.max(1, width / 500);
    context.strokeStyle = colour("--quiet");
    context.setLineDash([6, 6]);
    context.beginPath();
    context.moveTo(0, y(threshold));
    context.lineTo(width, y(threshold));
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    this.rows.forEach(({time, p}, i) => (i ? context.lineTo(x(time), y(p)) : context.moveTo(x(time), y(p))));
    context.lineWidth *= 2;
    context.strokeStyle = colour("--bar");
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(x(this.rows[0]?.time ?? 0), height);
    context.globalAlpha = 0.15;
    context.fillStyle = colour("--bar");
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = colour("--heard");
    for (const time of this.marks.filter(one => one > now - SECONDS)) {
      context.beginPath();
      context.arc(x(time), y(threshold), 5 * context.lineWidth / 2, 0, 2 * Math.PI);
      context.fill();
    }
  }
}
