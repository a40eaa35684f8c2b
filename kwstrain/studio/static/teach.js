// The word's name, how it is taught, how far that is, and how good it is.
import {ask} from "./server.js";

const $ = id => document.getElementById(id);
const percent = share => `${(100 * share).toFixed(share > 0.005 && share < 0.995 ? 0 : 1).replace(/\.0$/, "")}`;
const VOICES = 60, FEWEST = 3;

export class Teaching {
  constructor(page) {
    this.page = page;
    this.state = "idle";
    for (const field of ["word", "say", "voices", "per-hour", "keep-all"]) $(field).addEventListener("change", () => this.save());
    $("teach").addEventListener("click", () => this.begin());
    $("stop").addEventListener("click", () => ask("DELETE", "teaching").then(() => page.refresh()));
    this.fill(page.state.word);
  }

  fill({word, say, voices, per_hour: perHour, keep_all: keepAll}) {
    $("word").value = word;
    $("say").value = say;
    $("voices").checked = voices > 0;
    $("per-hour").value = perHour;
    $("keep-all").checked = keepAll;
  }

  async save() {
    const word = {
      word: $("word").value.trim(), say: $("say").value.trim(), voices: $("voices").checked ? this.page.state.word.voices || VOICES : 0,
      per_hour: Number($("per-hour").value), keep_all: $("keep-all").checked,
    };
    try {
      await ask("PUT", "word", word);
      await this.page.refresh();
    } catch (error) {
      this.page.say(error.message, true);
      this.fill(this.page.state.word);
    }
  }

  async begin() {
    try {
      await ask("POST", "teaching");
      await this.page.refresh();
    } catch (error) {
      this.note(error.message, true);
    }
  }

  note(text, warn = false) {
    $("note").textContent = text;
    $("note").classList.toggle("warn", warn);
  }

  show(state) {
    const {teaching, word, takes, run} = state, running = teaching.state === "running", usable = takes.filter(one => !one.fault).length;
    const enough = usable >= FEWEST || word.voices > 0;
    document.title = word.word ? `${word.word} · kwstrain studio` : "kwstrain studio";
    $("teach").disabled = running || !word.word || !enough;
    $("teach").textContent = run ? "Teach again" : "Teach";
    $("stop").hidden = !running;
    $("ready").textContent = running ? "" : !word.word ? "Name the word first." : !enough ? `${FEWEST - usable} more recordings are needed.` :
      !usable ? "From its spelling alone; five recordings make it better." : run && state.stale ? "There are recordings that it has not heard yet." : "";
    this.progress(teaching, running);
    if (running || this.state !== teaching.state) {
      if (teaching.state === "failed") this.note(teaching.error, true);
      else if (teaching.state === "stopped") this.note("Stopped.");
      else this.note(running ? teaching.notes.at(-1) ?? "starting" : teaching.state === "done" ? "Done: press Listen, and say it." : "");
    }
    this.state = teaching.state;
    $("report").hidden = !run;
    if (run) this.report(run.report);
  }

  progress({notes, done, total}, running) {
    $("progress").hidden = !running;
    $("progress").value = !total ? 0.02 : done < total ? 0.05 + 0.75 * done / total : 0.8 + 0.04 * notes.length;
  }

  report({misses, false_accepts: false_, used, voices, remarks, left_out: leftOut, per_hour: allowed, alarms, own_hours: ownHours}) {
    const [low, high] = misses.interval;
    $("found").textContent = `${misses.said - misses.misses} of ${misses.said}`;
    $("found-about").textContent = used.length ?
      `recordings found, each by a detector made without it and with ${voices} voices: ${percent(low)} to ${percent(high)} % are missed` :
      `voices found, which it was made from: what people say is not tested`;
    const [from, to] = false_.interval;
    $("false").textContent = `${false_.per_hour.toFixed(1)} an hour`;
    $("false-about").textContent = `false alarms, ${false_.false_accepts} in ${false_.hours.toFixed(1)} h of other sound: ${from.toFixed(1)} to ` +
      `${to.toFixed(1)} an hour; ${allowed} allowed` + (ownHours ? `. In your own ${(60 * ownHours).toFixed(1)} min: ${alarms.length}` : "");
    $("remarks").replaceChildren(...remarks.map(text => element("li", "", text)));
    $("left").hidden = !leftOut.length;
    $("left").querySelector("summary").textContent = `${leftOut.length} left out`;
    $("left").querySelector("ul").replaceChildren(...leftOut.map(({path, reason}) => element("li", "", `${path.split("/").pop()} ${reason}`)));
  }
}
