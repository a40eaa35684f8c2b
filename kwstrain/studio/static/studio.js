// The page: what it knows, what comes from the microphone, and who is told.
import {Ring, FrontEnd, draw} from "./sound.js";
import {ask, bytesOf, Outbox} from "./server.js";
import {Recorder} from "./record.js";
import {Recordings} from "./recordings.js";
import {Teaching} from "./teach.js";
import {Live} from "./live.js";

const COLUMNS = 400, POLL_MS = 700, PIECE_S = 0.08, LATEST_S = 2;
const $ = id => document.getElementById(id);

const page = {
  state: null,
  columns: [],
  done: 0,  // samples of the ring that were worked on
  next: new MessageChannel(),  // unlike a timer, it is not slowed down in a page that is hidden
  fresh: false,  // whether there is anything new to be seen
  player: new Audio(),

  say(text, warn = false, ...more) {
    $("status").replaceChildren(element("span", "", text), ...more);
    $("status").classList.toggle("warn", warn);
  },

  /** Plays an address or a Blob. */
  play(sound) {
    page.player.src = sound instanceof Blob ? URL.createObjectURL(sound) : sound;
    page.player.play().catch(() => page.say("The browser cannot play this.", true));
  },

  /** Opens the microphone, if it is not open; whether it is. */
  async microphone() {
    if (page.mic.context) return true;
    try {
      await page.mic.open(page.state.sr, "worklet.js");
    } catch (error) {
      page.say(Microphone.why(error), true);
    }
    $("off").hidden = !page.mic.context;
    $("invite").hidden = $("invite").hidden || Boolean(page.mic.context);
    return Boolean(page.mic.context);
  },

  async off() {
    page.recorder.cancel();
    page.live.stop();
    await page.mic.close();
    page.meter.level = 0;
    page.meter.draw();
    $("off").hidden = true;
  },

  /** What the server knows, shown everywhere; again and again while it teaches. */
  async refresh() {
    page.state = await ask("GET", "state");
    for (const part of [page.takes, page.negatives, page.teaching, page.live]) part.show(page.state);
    clearTimeout(page.timer);
    if (page.state.teaching.state === "running") page.timer = setTimeout(() => page.refresh().catch(lost), POLL_MS);
  },
};

function lost(error) {
  page.say(`The server does not answer (${error.message}). What you have recorded is safe: start kwstrain studio again.`, true);
  page.timer = setTimeout(() => page.refresh().catch(lost), 5 * POLL_MS);
}

// What comes from the microphone is kept at once; work that takes time follows, and leaves out what it cannot keep up with.
function hear(samples) {
  page.ring.push(samples);
  page.meter.hear(samples);
  page.recorder.hear();
  page.next.port2.postMessage(null);
}

function work() {
  const {ring, state: {sr}} = page;
  if (ring.n - page.done > LATEST_S * sr) {
    page.done = ring.n;
    page.live.lost();
  }
  if (ring.n - page.done < PIECE_S * sr) return;
  const samples = ring.cut(page.done, page.done + PIECE_S * sr);
  page.done += samples.length;
  page.columns.push(...page.frontEnd.push(samples));
  page.columns.splice(0, page.columns.length - COLUMNS);
  page.live.hear(samples);
  page.fresh = true;
}

function paint() {
  if (page.fresh && page.mic.context) {
    page.fresh = false;
    page.meter.draw();
    draw($("scope"), page.columns, COLUMNS, page.frontEnd.range);
    page.live.draw();
  }
  requestAnimationFrame(paint);
}

async function begin() {
  page.state = await ask("GET", "state");
  page.front = await bytesOf("front-end.onnx");
  page.frontEnd = new FrontEnd(page.front);
  page.ring = new Ring(30, page.state.sr);
  page.next.port1.onmessage = work;
  page.meter = new Meter($("level"));
  page.mic = new Microphone(hear, () => page.off());
  page.outbox = new Outbox($("waiting"));
  page.takes = new Recordings(page, "takes", $("takes"), $("n-takes"));
  page.negatives = new Recordings(page, "negatives", $("negatives"), $("n-negatives"));
  page.recorder = new Recorder(page, $("scope").parentElement, $("count"));
  page.teaching = new Teaching(page);
  page.live = new Live(page);
  $("record").addEventListener("click", () => page.recorder.toggle());
  $("off").addEventListener("click", () => page.off());
  for (const [field, part] of [[$("files"), page.takes], [$("more"), page.negatives]]) {
    field.addEventListener("change", () => {
      part.addFiles([...field.files]);
      field.value = "";
    });
  }
  drops();
  document.addEventListener("keydown", event => {
    if (event.code !== "Space" || event.repeat || event.target.closest("input, button, a, summary")) return;
    event.preventDefault();
    page.recorder.toggle();
  });
  await page.refresh();
  paint();
}

/** Files that are dropped on "Not the word" are negatives, everywhere else takes. */
function drops() {
  let inside = 0;
  const over = (event, step) => {
    event.preventDefault();
    inside = Math.max(0, inside + step);
    document.body.classList.toggle("dropping", inside > 0);
  };
  document.addEventListener("dragenter", event => over(event, 1));
  document.addEventListener("dragleave", event => over(event, -1));
  document.addEventListener("dragover", event => event.preventDefault());
  document.addEventListener("drop", event => {
    over(event, -inside);
    (event.target.closest("#others") ? page.negatives : page.takes).addFiles([...event.dataTransfer.files]);
  });
}

globalThis.studio = page;  // for the console
begin().catch(error => page.say(`The page cannot begin: ${error.message}`, true));
