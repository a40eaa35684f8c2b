// The page: microphone or recording -> rows -> bars and events.
const $ = id => document.getElementById(id);
const clock = s => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;
const page = {model: null, recognizer: null, detector: null, bars: [], latest: null, level: 0, context: null, track: null};

function say(text, warn = false) {
  $("status").textContent = text;
  $("status").classList.toggle("warn", warn);
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// In the single file the network and the worklet are in the page; in the folder they are files beside it.
async function modelBytes() {
  const inside = $("model");
  if (inside) return Uint8Array.from(atob(inside.textContent.trim()), letter => letter.charCodeAt(0));
  const answer = await fetch("model.onnx");
  if (!answer.ok) throw new Error(`model.onnx: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

// A data address: of a page that is a file, Chromium loads no worklet from a Blob.
const workletAddress = () => ($("worklet") ? `data:text/javascript,${encodeURIComponent($("worklet").textContent)}` : "worklet.js");

async function load() {
  page.model = new kws.Model(await modelBytes());
  page.recognizer = new kws.Recognizer(page.model);
  page.detector = new kws.Detector(page.model.labels, page.model.detection);
  const words = page.detector.words.map(one => one.word);
  $("words").textContent = words.length > 6 ? `${words.slice(0, 5).join(", ")} and ${words.length - 5} more` : words.join(", ");
  document.title = `Listening for ${$("words").textContent}`;
  const order = [...words, ...page.model.labels.filter(label => !words.includes(label))];
  for (const label of order) $("bars").append(bar(label));
  about();
  $("start").disabled = $("file").disabled = false;
  $("remark").textContent = page.model.detection.remark;
  say("Ready.");
}

function bar(label) {
  const word = page.detector.words.find(one => one.word === label), row = element("div", word ? "class" : "class other");
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
  page.bars.push({column: page.model.labels.indexOf(label), label, row, fill, value, heard: -1e9});
  return row;
}

function about() {
  const {properties, sr} = page.model, card = JSON.parse(properties.card), streams = page.recognizer.streams;
  const accuracy = Object.entries(card.accuracy ?? {}).map(([split, value]) => `${(100 * value).toFixed(1)} % (${split})`).join(", ");
  const facts = {
    Network: [properties.arch, card.parameters?.total ? `${card.parameters.total.toLocaleString("en")} parameters` : ""].filter(Boolean).join(", "),
    Listens: streams ? "as a stream: every frame once" : `in windows: the last ${(properties.n_samples / sr).toFixed(1)} s every ` +
      `${(1000 * page.recognizer.rowTime).toFixed(0)} ms`,
    Rate: `${sr.toLocaleString("en")} Hz`,
    Accuracy: accuracy || "not stated",
    "Trained on": [card.data?.file, card.data?.speakers ? `${card.data.speakers} speakers` : ""].filter(Boolean).join(", ") || "not stated",
    Licence: properties.license,
    Fingerprint: properties.fingerprint,
  };
  for (const [name, text] of Object.entries(facts)) $("about").append(element("dt", "", name), element("dd", "", text));
}

// The next samples at the network's rate.
function hear(samples) {
  let power = 0;
  for (const value of samples) power += value * value;
  page.level = Math.max(page.level, Math.sqrt(power / samples.length));
  for (const row of page.recognizer.feed(samples)) {
    page.latest = row.probabilities;
    for (const event of page.detector.feed(row)) heard(event);
  }
}

function heard({word, time, score}) {
  const item = element("li", "");
  Object.assign(item.dataset, {word, time, score});
  item.append(element("span", "time", clock(time)), element("span", "word", word), element("span", "score", score.toFixed(2)));
  $("events").prepend(item);
  if ($("events").children.length > 500) $("events").lastChild.remove();
  $("none").hidden = true;
  for (const one of page.bars) if (one.label === word) one.heard = performance.now();
}

function draw() {
  const decibel = 20 * Math.log10(page.level + 1e-6);
  $("level").style.clipPath = `inset(0 ${Math.min(100, Math.max(0, -decibel / 0.6))}% 0 0)`;
  page.level *= 0.85;
  for (const one of page.latest ? page.bars : []) {
    const p = page.latest[one.column];
    one.fill.style.transform = `scaleX(${p})`;
    one.value.textContent = p.toFixed(2);
    one.row.classList.toggle("heard", performance.now() - one.heard < 700);
  }
  if (page.context) speed();
  requestAnimationFrame(draw);
}

function speed() {
  const {steps, milliseconds, hop, sr} = page.recognizer, audio = 1000 * hop / sr, took = milliseconds / Math.max(1, steps);
  const slow = steps > 10 && took > 0.9 * audio;
  say(`${page.context.sampleRate.toLocaleString("en")} Hz → ${sr.toLocaleString("en")} Hz · ${took.toFixed(1)} ms of work for ` +
    `${audio.toFixed(0)} ms of sound${slow ? ": this device is too slow" : ""}`, slow);
}

function begin() {
  page.recognizer.reset();
  page.detector.reset();
  $("events").replaceChildren();
  $("none").hidden = false;
}

async function start() {
  if (!navigator.mediaDevices) throw new Error("the browser gives no microphone to this address: open it from https or http://localhost");
  const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1};
  const stream = await navigator.mediaDevices.getUserMedia({audio});
  const context = new AudioContext();
  [page.track] = stream.getAudioTracks();
  page.track.addEventListener("ended", toggle);  // the microphone was unplugged
  page.context = context;
  await context.audioWorklet.addModule(workletAddress());
  begin();
  const node = new AudioWorkletNode(context, "kwstrain-microphone", {processorOptions: {sr: page.model.sr}});
  node.port.onmessage = ({data}) => hear(data);
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);  // which stays silent
  await context.resume();
}

async function stop() {
  page.track?.stop();
  await page.context?.close();
  page.context = page.track = null;
  say("Stopped.");
}

async function toggle() {
  const on = !page.context;
  try {
    await (on ? start() : stop());
  } catch (error) {
    await stop();
    say(error.name === "NotAllowedError" ? "The microphone was not allowed: allow it for this page, and start again." : `No microphone: ${error.message}`,
      true);
  }
  $("start").textContent = page.context ? "Stop" : "Start listening";
  $("start").classList.toggle("on", Boolean(page.context));
  $("file").disabled = Boolean(page.context);
}

async function recording(file) {
  begin();
  const decoded = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(await file.arrayBuffer());
  const mono = new Float32Array(decoded.length);
  for (let c = 0; c < decoded.numberOfChannels; c++) {
    decoded.getChannelData(c).forEach((value, i) => { mono[i] += value / decoded.numberOfChannels; });
  }
  const resampler = new kws.Resampler(48000, page.model.sr);
  for (let at = 0; at < mono.length; at += 24000) {
    hear(kws.asRecorded(resampler.push(mono.subarray(at, at + 24000))));
    say(`${file.name}: ${clock(at / 48000)} of ${clock(decoded.duration)}`);
    await new Promise(resolve => setTimeout(resolve));
  }
  say(`${file.name}: ${clock(decoded.duration)} heard.`);
}

$("start").addEventListener("click", toggle);
$("file").addEventListener("change", ({target}) => {
  const [file] = target.files;
  if (file) recording(file).catch(error => say(`${file.name} cannot be read: ${error.message}`, true));
  target.value = "";
});
load().then(draw).catch(error => say(`The network cannot be loaded: ${error.message}`, true));
