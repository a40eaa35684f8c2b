// Reads an ONNX file: protobuf, only what our own files have. A tensor is {shape, data}: Float32Array where it holds floats,
// Float64Array where it holds whole numbers or truth values, so that int64 is exact up to 2^53.

class Protobuf {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  varint() {
    let low = 0, scale = 1, byte;
    for (let i = 0; i < 4; i++, scale *= 128) {
      byte = this.bytes[this.at++];
      low += (byte & 127) * scale;
      if (byte < 128) return low;
    }
    let value = BigInt(low), shift = 28n;
    do {
      byte = this.bytes[this.at++];
      value |= BigInt(byte & 127) << shift;
      shift += 7n;
    } while (byte >= 128);
    return Number(BigInt.asIntN(64, value));
  }

  // Calls `take(number, value)` for every field: numbers, or the bytes of texts, messages and packed numbers.
  fields(take) {
    while (this.at < this.bytes.length) {
      const key = this.varint();
      let value;
      switch (key & 7) {
        case 0: value = this.varint(); break;
        case 1: value = this.view.getFloat64(this.at, true); this.at += 8; break;
        case 2: {
          const n = this.varint();
          value = this.bytes.subarray(this.at, this.at + n);
          this.at += n;
          break;
        }
        case 5: value = this.view.getFloat32(this.at, true); this.at += 4; break;
        default: throw new Error("this is not an ONNX file");
      }
      if (this.at > this.bytes.length) throw new Error("the ONNX file ends too early: copy it again");
      take(key >>> 3, value);
    }
  }
}

const text = bytes => new TextDecoder().decode(bytes);

function each(bytes, takers) {
  new Protobuf(bytes).fields((number, value) => takers[number]?.(value));
}

// Whole numbers, packed or one by one.
function numbers(value, into) {
  if (typeof value === "number") return into.push(value);
  const packed = new Protobuf(value);
  while (packed.at < value.length) into.push(packed.varint());
}

function floats(value, into) {
  if (typeof value === "number") return into.push(value);
  into.push(...new Float32Array(value.slice().buffer));
}

const FLOAT = 1;
const RAW = {1: Float32Array, 2: Uint8Array, 3: Int8Array, 6: Int32Array, 7: BigInt64Array, 9: Uint8Array, 11: Float64Array};

function readTensor(bytes) {
  const shape = [], values = [];
  let name = "", type = FLOAT, raw = null;
  each(bytes, {
    1: v => numbers(v, shape), 2: v => { type = v; }, 4: v => floats(v, values), 5: v => numbers(v, values),
    7: v => numbers(v, values), 8: v => { name = text(v); }, 9: v => { raw = v; },
  });
  if (!(type in RAW)) throw new Error(`a tensor has the type ${type}, which is not supported`);
  const given = raw ? new RAW[type](raw.slice().buffer) : values;
  const data = type === FLOAT ? Float32Array.from(given) : Float64Array.from(given, Number);
  return {name, shape, data};
}

function readAttribute(bytes) {
  const ints = [];
  let name = "", type = 0, one = null;
  each(bytes, {
    1: v => { name = text(v); }, 2: v => { one = v; }, 3: v => { one = v; }, 4: v => { one = text(v); },
    5: v => { one = readTensor(v); }, 6: v => { one = readGraph(v); }, 8: v => numbers(v, ints), 20: v => { type = v; },
  });
  return [name, type === 7 ? ints : one];
}

function readNode(bytes) {
  const node = {op: "", name: "", inputs: [], outputs: [], attributes: {}};
  each(bytes, {
    1: v => node.inputs.push(text(v)), 2: v => node.outputs.push(text(v)), 3: v => { node.name = text(v); },
    4: v => { node.op = text(v); },
    5: v => { const [name, value] = readAttribute(v); node.attributes[name] = value; },
  });
  return node;
}

// An input or output. An axis of any size (the number of clips) is 1 here.
function readInformation(bytes) {
  const found = {name: "", type: FLOAT, shape: []};
  each(bytes, {
    1: v => { found.name = text(v); },
    2: v => each(v, {1: tensor => each(tensor, {
      1: type => { found.type = type; },
      2: shape => each(shape, {1: dim => {
        let n = 1;
        each(dim, {1: size => { n = size; }});
        found.shape.push(n);
      }}),
    })}),
  });
  return found;
}

function readGraph(bytes) {
  const graph = {nodes: [], constants: [], inputs: [], outputs: []};
  each(bytes, {
    1: v => graph.nodes.push(readNode(v)), 5: v => graph.constants.push(readTensor(v)),
    11: v => graph.inputs.push(readInformation(v)), 12: v => graph.outputs.push(readInformation(v)),
  });
  return graph;
}

/** {graph, properties} of the bytes of an ONNX file. */
function readOnnx(given) {
  const bytes = ArrayBuffer.isView(given) ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength) : new Uint8Array(given);
  const properties = {};
  let graph = null;
  each(bytes, {
    7: v => { graph = readGraph(v); },
    14: v => {
      let key = "";
      each(v, {1: k => { key = text(k); }, 2: value => { properties[key] = text(value); }});
    },
  });
  if (!graph) throw new Error("this is not an ONNX file");
  return {graph, properties};
}
