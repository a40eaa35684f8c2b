// Convolutions, matrix products and pooling: where the time goes.

// out (m, p) = a (m, k) x (k, p) + bias of each row or column; four rows and two columns at a time, sums in float64.
function multiply(out, a, x, m, k, p, rowBias, columnBias, aFirst = 0, xFirst = 0, outFirst = 0) {
  for (let row = 0; row < m; row += 4) {
    const rows = Math.min(4, m - row);
    const a0 = aFirst + row * k, a1 = rows > 1 ? a0 + k : a0, a2 = rows > 2 ? a1 + k : a0, a3 = rows > 3 ? a2 + k : a0;
    const o0 = outFirst + row * p, o1 = o0 + p, o2 = o1 + p, o3 = o2 + p;
    for (let c = 0; c < p; c += 2) {
      const two = c + 1 < p, step = two ? 1 : 0;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      for (let i = 0, at = xFirst + c; i < k; i++, at += p) {
        const u = x[at], v = x[at + step], w0 = a[a0 + i], w1 = a[a1 + i], w2 = a[a2 + i], w3 = a[a3 + i];
        s0 += w0 * u; s1 += w1 * u; s2 += w2 * u; s3 += w3 * u;
        t0 += w0 * v; t1 += w1 * v; t2 += w2 * v; t3 += w3 * v;
      }
      const left = columnBias ? columnBias[c] : 0, right = columnBias && two ? columnBias[c + 1] : 0;
      out[o0 + c] = s0 + left + (rowBias ? rowBias[row] : 0);
      if (rows > 1) out[o1 + c] = s1 + left + (rowBias ? rowBias[row + 1] : 0);
      if (rows > 2) out[o2 + c] = s2 + left + (rowBias ? rowBias[row + 2] : 0);
      if (rows > 3) out[o3 + c] = s3 + left + (rowBias ? rowBias[row + 3] : 0);
      if (!two) continue;
      out[o0 + c + 1] = t0 + right + (rowBias ? rowBias[row] : 0);
      if (rows > 1) out[o1 + c + 1] = t1 + right + (rowBias ? rowBias[row + 1] : 0);
      if (rows > 2) out[o2 + c + 1] = t2 + right + (rowBias ? rowBias[row + 2] : 0);
      if (rows > 3) out[o3 + c + 1] = t3 + right + (rowBias ? rowBias[row + 3] : 0);
    }
  }
}

// The spectrum: (m, k) kernels at every `step`-th place of one long channel; four places at a time share what is read of a kernel.
function correlate(out, kernels, y, m, k, n, step, bias) {
  for (let row = 0; row < m; row++) {
    const first = row * k, shift = bias ? bias[row] : 0;
    for (let t = 0; t < n; t += 4) {
      const more = Math.min(3, n - 1 - t), y0 = t * step;
      const y1 = y0 + Math.min(1, more) * step, y2 = y0 + Math.min(2, more) * step, y3 = y0 + more * step;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let i = 0; i < k; i++) {
        const w = kernels[first + i];
        s0 += w * y[y0 + i]; s1 += w * y[y1 + i]; s2 += w * y[y2 + i]; s3 += w * y[y3 + i];
      }
      const at = row * n + t;
      out[at] = s0 + shift;
      if (more > 0) out[at + 1] = s1 + shift;
      if (more > 1) out[at + 2] = s2 + shift;
      if (more > 2) out[at + 3] = s3 + shift;
    }
  }
}

// Sizes of a convolution or pooling over one or two axes, seen as rows and columns; one clip.
function windowOf(input, kernel, {strides, pads, dilations}) {
  const flat = kernel.length === 1, two = (of, fill) => (flat ? [fill, ...of] : of);
  const [height, width] = two(input.shape.slice(2), 1), [rows, columns] = two(kernel, 1);
  const [down, right] = two(strides ?? kernel.map(() => 1), 1), [dilateRows, dilateColumns] = two(dilations ?? kernel.map(() => 1), 1);
  const [top, left, bottom, end] = flat ? [0, pads?.[0] ?? 0, 0, pads?.[1] ?? 0] : pads ?? [0, 0, 0, 0];
  const outHeight = Math.floor((height + top + bottom - (rows - 1) * dilateRows - 1) / down) + 1;
  const outWidth = Math.floor((width + left + end - (columns - 1) * dilateColumns - 1) / right) + 1;
  const shape = flat ? [outWidth] : [outHeight, outWidth];
  return {height, width, rows, columns, down, right, dilateRows, dilateColumns, top, left, outHeight, outWidth, shape};
}

// Where in a channel the value under each place of the kernel lies, (rows * columns, outputs); -1 in the padding.
function patches(w) {
  const n = w.outHeight * w.outWidth, from = new Int32Array(w.rows * w.columns * n);
  let i = 0;
  for (let row = 0; row < w.rows; row++) {
    for (let column = 0; column < w.columns; column++) {
      for (let y = 0; y < w.outHeight; y++) {
        for (let x = 0; x < w.outWidth; x++) {
          const h = y * w.down + row * w.dilateRows - w.top, v = x * w.right + column * w.dilateColumns - w.left;
          from[i++] = h < 0 || v < 0 || h >= w.height || v >= w.width ? -1 : h * w.width + v;
        }
      }
    }
  }
  return from;
}

function convolution([input, weights, bias], attributes) {
  const w = windowOf(input, weights.shape.slice(2), attributes), groups = attributes.group ?? 1;
  const [clips, nIn] = input.shape, nOut = weights.shape[0], perGroup = nIn / groups;
  if (clips !== 1) throw new Error(`a convolution of ${clips} clips is not supported: one at a time`);
  const out = tensorOf([1, nOut, ...w.shape], true), n = w.outHeight * w.outWidth, area = w.height * w.width, taps = w.rows * w.columns;
  const a = input.data, o = out.data, kernel = weights.data, shift = bias?.data;
  if (nIn === 1 && w.rows === 1 && w.height === 1 && !w.left && w.dilateColumns === 1 && (n - 1) * w.right + taps <= area) {
    return {outputs: [out], run: () => correlate(o, kernel, a, nOut, taps, n, w.right, shift)};
  }
  if (perGroup === 1) return {outputs: [out], run: depthwise(o, a, kernel, shift, patches(w), n, area, taps, nOut, nOut / groups)};
  const depth = perGroup * taps, each = nOut / groups;
  if (taps === 1 && n === area && w.down === 1 && w.right === 1) {
    return {outputs: [out], run: () => {
      for (let g = 0; g < groups; g++) {
        multiply(o, kernel, a, each, depth, n, shift?.subarray(g * each), null, g * each * depth, g * depth * n, g * each * n);
      }
    }};
  }
  const from = patches(w), columns = new Float32Array(depth * n);
  return {outputs: [out], run: () => {
    for (let g = 0; g < groups; g++) {
      for (let c = 0, to = 0; c < perGroup; c++) {
        const first = (g * perGroup + c) * area;
        for (let i = 0; i < from.length; i++) columns[to++] = from[i] < 0 ? 0 : a[first + from[i]];
      }
      multiply(o, kernel, columns, each, depth, n, shift?.subarray(g * each), null, g * each * depth, 0, g * each * n);
    }
  }};
}

function depthwise(o, a, kernel, shift, from, n, area, taps, nOut, perChannel) {
  const sums = new Float64Array(n);
  return () => {
    for (let channel = 0; channel < nOut; channel++) {
      const first = Math.floor(channel / perChannel) * area;
      sums.fill(shift ? shift[channel] : 0);
      for (let tap = 0, i = 0; tap < taps; tap++) {
        const weight = kernel[channel * taps + tap];
        for (let j = 0; j < n; j++, i++) if (from[i] >= 0) sums[j] += weight * a[first + from[i]];
      }
      o.set(sums, channel * n);
    }
  };
}

function pooled([input], attributes, mean) {
  const w = windowOf(input, attributes.kernel_shape, attributes), n = w.outHeight * w.outWidth, area = w.height * w.width;
  const out = tensorOf([...input.shape.slice(0, 2), ...w.shape], true), from = patches(w), taps = w.rows * w.columns;
  return {outputs: [out], run: () => {
    for (let channel = 0; channel < out.data.length / n; channel++) {
      for (let j = 0; j < n; j++) {
        let found = mean ? 0 : -Infinity;
        for (let tap = 0; tap < taps; tap++) {
          const at = from[tap * n + j];
          if (at < 0) continue;
          const value = input.data[channel * area + at];
          found = mean ? found + value : Math.max(found, value);
        }
        out.data[channel * n + j] = mean ? found / taps : found;
      }
    }
  }};
}

function product([a, b]) {
  const rank = Math.max(a.shape.length, b.shape.length, 2);
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2), []);
  const [m, k] = a.shape.slice(-2), p = b.shape[b.shape.length - 1];
  const out = tensorOf([...batch, m, p], true), count = size(batch);
  const of = one => broadcastPlaces(one.shape.slice(0, -2), batch), [fromA, fromB] = [of(a), of(b)];
  if (rank > 2 && size(b.shape.slice(0, -2)) === 1) {
    return {outputs: [out], run: () => multiply(out.data, a.data, b.data, count * m, k, p)};
  }
  return {outputs: [out], run: () => {
    for (let i = 0; i < count; i++) multiply(out.data, a.data, b.data, m, k, p, null, null, fromA[i] * m * k, fromB[i] * k * p, i * m * p);
  }};
}

function affine([a, b, bias]) {
  const [m, k] = a.shape, p = b.shape[1], out = tensorOf([m, p], true);
  const columns = bias && (bias.data.length === 1 ? new Float32Array(p).fill(bias.data[0]) : bias.data);
  return {outputs: [out], run: () => multiply(out.data, a.data, b.data, m, k, p, null, columns)};
}

Object.assign(OPERATIONS, {
  Conv: convolution,
  MaxPool: (inputs, attributes) => pooled(inputs, attributes, false),
  AveragePool: (inputs, attributes) => pooled(inputs, attributes, true),
  MatMul: product,
  Gemm: affine,
});
