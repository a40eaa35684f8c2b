// A graph made ready to run: memory is taken once, what depends on constants alone is computed once.

class Graph {
  // `given` are tensors of a graph around this one.
  constructor(graph, given = new Map()) {
    this.tensors = new Map(given);
    this.steps = [];
    for (const one of graph.constants) this.tensors.set(one.name, {...one, constant: true});
    this.inputs = [];
    for (const {name, type, shape} of graph.inputs) {
      if (this.tensors.get(name)?.constant) continue;  // an input with a default, which is kept
      const tensor = tensorOf(shape, type === FLOAT);
      this.tensors.set(name, tensor);
      this.inputs.push({name, ...tensor});
    }
    for (const node of graph.nodes) this.add(node);
    this.outputs = graph.outputs.map(({name}) => ({name, ...this.tensors.get(name)}));
  }

  add(node) {
    const inputs = node.inputs.map(name => (name ? this.tensors.get(name) : undefined));
    const operation = node.op === "Scan" ? scan(this.tensors) : OPERATIONS[node.op];
    if (!operation) throw new Error(`the graph computes ${node.op}, which this runtime does not know`);
    const {outputs, run, known} = operation(inputs, node.attributes);
    const constant = known || (node.op !== "Scan" && inputs.every(one => !one || one.constant));
    outputs.forEach((one, i) => this.tensors.set(node.outputs[i], {...one, constant}));
    if (run && constant) run();
    else if (run) this.steps.push(run);
  }

  run() {
    for (const step of this.steps) step();
  }
}

// A loop over the first axis: states and one slice of each scanned input in, states and one slice of each scanned output out.
function scan(around) {
  return (inputs, {body, num_scan_inputs: scanned, scan_input_directions: backwards = [], scan_output_directions: backwardsOut = []}) => {
    const inner = new Graph(body, around), nStates = inputs.length - scanned, n = inputs[nStates].shape[0];
    const states = inputs.slice(0, nStates).map(one => tensorOf(one.shape, isFloat(one)));
    const outs = inner.outputs.slice(nStates).map(one => tensorOf([n, ...one.shape], isFloat(one)));
    const run = () => {
      states.forEach((one, i) => one.data.set(inputs[i].data));
      for (let t = 0; t < n; t++) {
        states.forEach((one, i) => inner.inputs[i].data.set(one.data));
        for (let i = 0; i < scanned; i++) {
          const into = inner.inputs[nStates + i].data, from = (backwards[i] ? n - 1 - t : t) * into.length;
          into.set(inputs[nStates + i].data.subarray(from, from + into.length));
        }
        inner.run();
        states.forEach((one, i) => one.data.set(inner.outputs[i].data));
        outs.forEach((one, i) => {
          const value = inner.outputs[nStates + i].data;
          one.data.set(value, (backwardsOut[i] ? n - 1 - t : t) * value.length);
        });
      }
    };
    return {outputs: [...states, ...outs], run};
  };
}
