// What the tests have node do with kws.js: the command and its arguments come from the command line, JSON goes to stdout.
const fs = require("fs"), path = require("path");
const [library, command, ...given] = process.argv.slice(2), kws = require(library);

const bytes = file => fs.readFileSync(file);
const floats = file => new Float32Array(new Uint8Array(bytes(file)).buffer);

function listen(file, sound, size) {
  const model = new kws.Model(bytes(file)), recognizer = new kws.Recognizer(model), samples = floats(sound);
  const detector = new kws.Detector(model.labels, model.detection), rows = [], events = [];
  for (let at = 0; at < samples.length; at += Number(size)) rows.push(...recognizer.feed(samples.subarray(at, at + Number(size))));
  for (const row of rows) events.push(...detector.feed(row));
  return {rows: rows.map(row => [...row.probabilities]), times: rows.map(row => row.time), events,
    ms_per_step: recognizer.milliseconds / recognizer.steps};
}

// Every NAME.onnx in a folder on the values of NAME.f32.
function graphs(folder) {
  const found = {};
  for (const file of fs.readdirSync(folder).filter(name => name.endsWith(".onnx"))) {
    const graph = new kws.Graph(kws.readOnnx(bytes(path.join(folder, file))).graph);
    graph.inputs[0].data.set(floats(path.join(folder, file.replace(".onnx", ".f32"))));
    graph.run();
    graph.run();  // a second time: nothing is left of the first
    found[file.replace(".onnx", "")] = [...graph.outputs[0].data];
  }
  return found;
}

function detect(file) {
  return JSON.parse(bytes(file)).map(({labels, options, rows, times}) => {
    const detector = new kws.Detector(labels, options);
    return rows.flatMap((probabilities, i) => detector.feed({time: times[i], probabilities}));
  });
}

function resample(from, to, file, size) {
  const resampler = new kws.Resampler(Number(from), Number(to)), samples = floats(file), out = [];
  for (let at = 0; at < samples.length; at += Number(size)) out.push(...resampler.push(samples.subarray(at, at + Number(size))));
  return out;
}

// What feed() says of samples that are none, and whether the next rows are those of a recogniser that never saw them.
function refusals(file, sound) {
  const [one, other] = [0, 1].map(() => new kws.Recognizer(new kws.Model(bytes(file)))), samples = floats(sound), said = [];
  for (const wrong of [Int16Array.of(1, 2), Float32Array.of(0, 12000), Float32Array.of(NaN), [0.1]]) {
    try {
      one.feed(wrong);
    } catch (error) {
      said.push(error.message);
    }
  }
  const rows = [one, other].map(recognizer => JSON.stringify(recognizer.feed(samples).map(row => [...row.probabilities])));
  return {said, same: rows[0] === rows[1] && rows[0].length > 2};
}

const COMMANDS = {listen, graphs, detect, resample, refusals, operations: () => [...Object.keys(kws.OPERATIONS), "Scan"]};
process.stdout.write(JSON.stringify(COMMANDS[command](...given)));
