// ONNX operations. Each is called once, with its inputs and attributes, and gives {outputs, run}: tensors whose memory is taken, and
// what fills them anew. Without `run` the outputs are views of the inputs.

const size = shape => shape.reduce((n, m) => n * m, 1);
const isFloat = tensor => tensor.data instanceof Float32Array;
const tensorOf = (shape, float) => ({shape, data: new (float ? Float32Array : Float64Array)(size(shape))});
const axisOf = (axis, shape) => (axis < 0 ? axis + shape.length : axis);
const view = (tensor, shape) => ({outputs: [{shape, data: tensor.data}]});

function stridesOf(shape) {
  const strides = new Array(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

function broadcastShape(...shapes) {
  const rank = Math.max(...shapes.map(shape => shape.length));
  return Array.from({length: rank}, (_, i) =>
    Math.max(...shapes.map(shape => shape[i - rank + shape.length] ?? 1)));
}

// The place in memory of every value of `shape`, when an axis advances by `strides` from `first`.
function places(shape, strides, first = 0) {
  const out = new Int32Array(size(shape)), index = new Array(shape.length).fill(0);
  for (let i = 0, at = first; i < out.length; i++) {
    out[i] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

function broadcastPlaces(from, shape) {
  const strides = stridesOf(from), skipped = shape.length - from.length;
  return places(shape, shape.map((_, i) => (i < skipped || from[i - skipped] === 1 ? 0 : strides[i - skipped])));
}

// Values moved without computing: out[i] = in[from[i]], or `fill` where that is negative.
function moved(input, shape, from, fill = 0) {
  const out = tensorOf(shape, isFloat(input)), a = input.data, o = out.data;
  const run = from.some(i => i < 0)
    ? () => { for (let i = 0; i < o.length; i++) o[i] = from[i] < 0 ? fill : a[from[i]]; }
    : () => { for (let i = 0; i < o.length; i++) o[i] = a[from[i]]; };
  return {outputs: [out], run};
}

// A loop of its own for each operation, so that a compiler sees what it does.
const UNARY = {
  Relu: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = a[i] > 0 ? a[i] : 0; },
  Sigmoid: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = 1 / (1 + Math.exp(-a[i])); },
  Exp: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.exp(a[i]); },
  Log: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.log(a[i]); },
  Tanh: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.tanh(a[i]); },
  Sqrt: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.sqrt(a[i]); },
  Abs: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.abs(a[i]); },
  Neg: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = -a[i]; },
  Sign: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.sign(a[i]); },
  Floor: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.floor(a[i]); },
  Ceil: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.ceil(a[i]); },
  Round: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = halfToEven(a[i]); },
  Reciprocal: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = 1 / a[i]; },
  Sin: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.sin(a[i]); },
  Cos: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = Math.cos(a[i]); },
  Erf: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = erf(a[i]); },
  Not: (o, a) => { for (let i = 0; i < o.length; i++) o[i] = a[i] ? 0 : 1; },
};

const BINARY = {
  Add: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] + b[q[i]]; },
  Sub: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] - b[q[i]]; },
  Mul: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] * b[q[i]]; },
  Div: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] / b[q[i]]; },
  Max: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = Math.max(a[p[i]], b[q[i]]); },
  Min: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = Math.min(a[p[i]], b[q[i]]); },
  Pow: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] ** b[q[i]]; },
  Mod: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] - b[q[i]] * Math.floor(a[p[i]] / b[q[i]]); },
};

const LOGICAL = {
  And: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] && b[q[i]] ? 1 : 0; },
  Or: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] || b[q[i]] ? 1 : 0; },
  GreaterOrEqual: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] >= b[q[i]] ? 1 : 0; },
  Greater: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] > b[q[i]] ? 1 : 0; },
  LessOrEqual: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] <= b[q[i]] ? 1 : 0; },
  Less: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] < b[q[i]] ? 1 : 0; },
  Equal: (o, a, b, p, q) => { for (let i = 0; i < o.length; i++) o[i] = a[p[i]] === b[q[i]] ? 1 : 0; },
};

function halfToEven(x) {
  const low = Math.floor(x), rest = x - low;
  return rest === 0.5 ? low + (Math.abs(low) % 2) : Math.round(x);
}

// Abramowitz and Stegun 7.1.26: within 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

function unary(op, [a]) {
  const out = tensorOf(a.shape, isFloat(a));
  return {outputs: [out], run: () => UNARY[op](out.data, a.data)};
}

function binary(op, [a, b]) {
  const shape = broadcastShape(a.shape, b.shape), float = isFloat(a) && op in BINARY;
  const out = tensorOf(shape, float), o = out.data;
  const p = broadcastPlaces(a.shape, shape), q = broadcastPlaces(b.shape, shape), loop = BINARY[op] ?? LOGICAL[op];
  const whole = op === "Div" && !float;  // whole numbers, rounded towards zero
  return {outputs: [out], run: () => {
    loop(o, a.data, b.data, p, q);
    if (whole) for (let i = 0; i < o.length; i++) o[i] = Math.trunc(o[i]);
  }};
}

function reduced(input, axes, start, loop) {
  const over = new Set(axes.map(axis => axisOf(axis, input.shape)));
  const kept = input.shape.map((n, i) => (over.has(i) ? 1 : n)), strides = stridesOf(kept);
  const into = places(input.shape, input.shape.map((_, i) => (over.has(i) ? 0 : strides[i])));
  const out = tensorOf(kept, isFloat(input)), sums = new Float64Array(out.data.length);
  return {outputs: [out], run: () => {
    sums.fill(start);
    loop(sums, input.data, into);
    out.data.set(sums);
  }};
}

const SUM = (o, a, p) => { for (let i = 0; i < a.length; i++) o[p[i]] += a[i]; };
const LARGEST = (o, a, p) => { for (let i = 0; i < a.length; i++) if (a[i] > o[p[i]]) o[p[i]] = a[i]; };
const SMALLEST = (o, a, p) => { for (let i = 0; i < a.length; i++) if (a[i] < o[p[i]]) o[p[i]] = a[i]; };

function sliced(input, starts, ends, axes, steps) {
  const shape = [...input.shape], strides = stridesOf(input.shape), all = stridesOf(input.shape);
  let first = 0;
  axes.forEach((of, i) => {
    const axis = axisOf(of, input.shape), n = input.shape[axis], step = steps[i] ?? 1;
    const clamp = (x, low, high) => Math.min(Math.max(x < 0 ? x + n : x, low), high);
    const start = step > 0 ? clamp(starts[i], 0, n) : clamp(starts[i], 0, n - 1);
    const end = step > 0 ? clamp(ends[i], 0, n) : clamp(ends[i], -1, n - 1);
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    first += start * all[axis];
    strides[axis] *= step;
  });
  return moved(input, shape, places(shape, strides, first));
}

function padded(input, pads, fill) {
  const rank = input.shape.length, strides = stridesOf(input.shape);
  const shape = input.shape.map((n, i) => n + pads[i] + pads[rank + i]);
  const from = new Int32Array(size(shape)).fill(-1), wide = stridesOf(shape);
  const into = places(input.shape, wide, wide.reduce((sum, step, i) => sum + step * pads[i], 0));
  places(input.shape, strides).forEach((at, i) => { from[into[i]] = at; });
  return moved(input, shape, from, fill);
}

function concatenated(inputs, of) {
  const axis = axisOf(of, inputs[0].shape), shape = [...inputs[0].shape];
  shape[axis] = inputs.reduce((n, one) => n + one.shape[axis], 0);
  const out = tensorOf(shape, isFloat(inputs[0])), rows = size(shape.slice(0, axis)), inner = size(shape.slice(axis));
  return {outputs: [out], run: () => {
    let at = 0;
    for (const one of inputs) {
      const n = one.data.length / rows;
      for (let row = 0; row < rows; row++) {
        for (let i = 0, from = row * n, to = row * inner + at; i < n; i++) out.data[to + i] = one.data[from + i];
      }
      at += n;
    }
  }};
}

function split(input, sizes, of) {
  const axis = axisOf(of, input.shape), strides = stridesOf(input.shape);
  let first = 0;
  const parts = sizes.map(n => {
    const part = moved(input, input.shape.map((m, i) => (i === axis ? n : m)), places(input.shape.map((m, i) =>
      (i === axis ? n : m)), strides, first * strides[axis]));
    first += n;
    return part;
  });
  return {outputs: parts.map(part => part.outputs[0]), run: () => parts.forEach(part => part.run())};
}

function gathered(input, indices, of) {
  const axis = axisOf(of, input.shape), n = input.shape[axis];
  const outer = size(input.shape.slice(0, axis)), inner = size(input.shape.slice(axis + 1));
  const out = tensorOf([...input.shape.slice(0, axis), ...indices.shape, ...input.shape.slice(axis + 1)], isFloat(input));
  return {outputs: [out], run: () => {
    let to = 0;
    for (let o = 0; o < outer; o++) {
      for (const index of indices.data) {
        const from = (o * n + (index < 0 ? index + n : index)) * inner;
        for (let i = 0; i < inner; i++) out.data[to++] = input.data[from + i];
      }
    }
  }};
}

function where([chosen, a, b]) {
  const shape = broadcastShape(chosen.shape, a.shape, b.shape), out = tensorOf(shape, isFloat(a)), o = out.data;
  const [r, p, q] = [chosen, a, b].map(one => broadcastPlaces(one.shape, shape));
  return {outputs: [out], run: () => {
    for (let i = 0; i < o.length; i++) o[i] = chosen.data[r[i]] ? a.data[p[i]] : b.data[q[i]];
  }};
}

function cast(input, to) {
  const out = tensorOf(input.shape, to === FLOAT), truth = to === 9;
  const change = truth ? x => (x ? 1 : 0) : to === FLOAT ? x => x : Math.trunc;
  return {outputs: [out], run: () => { for (let i = 0; i < out.data.length; i++) out.data[i] = change(input.data[i]); }};
}

function reshaped(input, wanted) {
  const shape = [...wanted.data].map((n, i) => (n === 0 ? input.shape[i] : n)), free = shape.indexOf(-1);
  if (free >= 0) shape[free] = -size(input.shape) / size(shape);
  return view(input, shape);
}

const OPERATIONS = {
  Constant: (_, {value}) => ({outputs: [value]}),
  Identity: ([a]) => view(a, a.shape),
  Reshape: ([a, shape]) => reshaped(a, shape),
  Transpose: ([a], {perm}) => {
    const strides = stridesOf(a.shape), shape = perm.map(axis => a.shape[axis]);
    return moved(a, shape, places(shape, perm.map(axis => strides[axis])));
  },
  ConstantOfShape: ([shape], {value}) => {
    const out = tensorOf([...shape.data], !value || isFloat(value));
    out.data.fill(value ? value.data[0] : 0);
    return {outputs: [out]};
  },
  ScatterElements: ([a, indices, updates]) => {  // of one axis
    const out = tensorOf(a.shape, isFloat(a));
    return {outputs: [out], run: () => {
      out.data.set(a.data);
      indices.data.forEach((at, i) => { out.data[at] = updates.data[i]; });
    }};
  },
  Expand: ([a, shape]) => {
    const wide = broadcastShape(a.shape, [...shape.data]);
    return moved(a, wide, broadcastPlaces(a.shape, wide));
  },
  Shape: ([a]) => ({outputs: [{shape: [a.shape.length], data: Float64Array.from(a.shape)}], known: true}),
  Slice: ([a, starts, ends, axes, steps]) => sliced(a, starts.data, ends.data, axes ? [...axes.data] : a.shape.map((_, i) => i),
    steps?.data ?? []),
  Pad: ([a, pads, fill]) => padded(a, pads.data, fill ? fill.data[0] : 0),
  Concat: (inputs, {axis}) => concatenated(inputs, axis),
  Split: ([a, sizes], {axis = 0}) => split(a, [...sizes.data], axis),
  Gather: ([a, indices], {axis = 0}) => gathered(a, indices, axis),
  Where: where,
  Cast: ([a], {to}) => cast(a, to),
  ReduceSum: ([a, axes]) => reduced(a, [...axes.data], 0, SUM),
  ReduceMax: ([a], {axes}) => reduced(a, axes, -Infinity, LARGEST),
  ReduceMin: ([a], {axes}) => reduced(a, axes, Infinity, SMALLEST),
  ...Object.fromEntries(Object.keys(UNARY).map(op => [op, inputs => unary(op, inputs)])),
  ...Object.fromEntries([...Object.keys(BINARY), ...Object.keys(LOGICAL)].map(op => [op, inputs => binary(op, inputs)])),
};
