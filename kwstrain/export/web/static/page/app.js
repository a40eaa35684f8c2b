// The page: microphone or recording -> rows -> bars and events.
const $ = id => document.getElementById(id);
const page = {listening: null, meter: new Meter($("level")), microphone: new Microphone(hear, toggle)};

function say(text, warn = false) {
  $("status").textContent = text;
  $("status").classList.toggle("warn", warn);
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
  page.listening = new Listening(await modelBytes(), $("bars"), heard);
  const {words} = page.listening;
  $("words").textContent = words.length > 6 ? `${words.slice(0, 5).join(", ")} and ${words.length - 5} more` : words.join(", ");
  document.title = `Listening for ${$("words").textContent}`;
  about();
  $("start").disabled = $("file").disabled = false;
  $("remark").textContent = page.listening.model.detection.remark;
  say("Ready.");
}

function about() {
  const {model, recognizer} = page.listening, {properties, sr} = model, card = JSON.parse(properties.card);
  const accuracy = Object.entries(card.accuracy ?? {}).map(([split, value]) => `${(100 * value).toFixed(1)} % (${split})`).join(", ");
  const facts = {
    Network: [properties.arch, card.parameters?.total ? `${card.parameters.total.toLocaleString("en")} parameters` : ""].filter(Boolean).join(", "),
    Listens: recognizer.streams ? "as a stream: every frame once" : `in windows: the last ${(properties.n_samples / sr).toFixed(1)} s every ` +
      `${(1000 * recognizer.rowTime).toFixed(0)} ms`,
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
  page.meter.hear(samples);
  page.listening.hear(samples);
}

function heard({word, time, score}) {
  const item = element("li", "");
  Object.assign(item.dataset, {word, time, score});
  item.append(element("span", "time", clock(time)), element("span", "word", word), element("span", "score", score.toFixed(2)));
  $("events").prepend(item);
  if ($("events").children.length > 500) $("events").lastChild.remove();
  $("none").hidden = true;
}

function draw() {
  page.meter.draw();
  page.listening.draw();
  if (page.microphone.context) speed();
  requestAnimationFrame(draw);
}

function speed() {
  const {work, audio, slow} = page.listening.load, {sr} = page.listening.model;
  say(`${page.microphone.context.sampleRate.toLocaleString("en")} Hz → ${sr.toLocaleString("en")} Hz · ${work.toFixed(1)} ms of work for ` +
    `${audio.toFixed(0)} ms of sound${slow ? ": this device is too slow" : ""}`, slow);
}

function begin() {
  page.listening.begin();
  $("events").replaceChildren();
  $("none").hidden = false;
}

async function toggle() {
  const {microphone} = page;
  if (microphone.context) {
    await microphone.close();
    say("Stopped.");
  } else {
    begin();
    await microphone.open(page.listening.model.sr, workletAddress()).catch(error => say(Microphone.why(error), true));
  }
  const on = Boolean(microphone.context);
  $("start").textContent = on ? "Stop" : "Start listening";
  $("start").classList.toggle("on", on);
  $("file").disabled = on;
}

async function recording(file) {
  begin();
  const mono = await decoded(file), resampler = new kws.Resampler(DECODED_HZ, page.listening.model.sr), all = clock(mono.length / DECODED_HZ);
  for (let at = 0; at < mono.length; at += 24000) {
    hear(kws.asRecorded(resampler.push(mono.subarray(at, at + 24000))));
    say(`${file.name}: ${clock(at / DECODED_HZ)} of ${all}`);
    await new Promise(resolve => setTimeout(resolve));
  }
  say(`${file.name}: ${all} heard.`);
}

$("start").addEventListener("click", toggle);
$("file").addEventListener("change", ({target}) => {
  const [file] = target.files;
  if (file) recording(file).catch(error => say(`${file.name} cannot be read: ${error.message}`, true));
  target.value = "";
});
load().then(draw).catch(error => say(`The network cannot be loaded: ${error.message}`, true));
