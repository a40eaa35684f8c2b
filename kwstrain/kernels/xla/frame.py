"""XLA's call of a kernel, read from its call frame: the stable C interface that jaxlib's xla/ffi/api/c_api.h describes.

Every struct there begins with its size and an extension pointer. What is read here lies on 8 bytes, and an offset below counts such words.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from kwsfeat.kernels._jit import inlined

_I32, _I64 = ir.IntType(32), ir.IntType(64)

# XLA_FFI_CallFrame: size, extension, api, ctx, stage, then XLA_FFI_Args (5 words), XLA_FFI_Rets (5), XLA_FFI_Attrs (6)
EXTENSION, API, CONTEXT, STAGE, ARGS, RETS, ATTRS = 1, 2, 3, 4, 5, 10, 15
# XLA_FFI_Api: size, extension, version (3 words), internal, then functions
ERROR_CREATE, THREAD_POOL_SCHEDULE, THREAD_POOL_NUM_THREADS = 6, 17, 18
VERSION = (0, 3)  # XLA_FFI_API_MAJOR and _MINOR
EXECUTE = 3  # of XLA_FFI_ExecutionStage
METADATA = 1  # of XLA_FFI_Extension_Type
ARRAY = 1  # of XLA_FFI_AttrType
INVALID_ARGUMENT = 3  # of XLA_FFI_Error_Code


def word(builder, address, i):
    """Code that reads the i-th word at an address."""
    place = builder.add(address, ir.Constant(_I64, 8 * i))
    return builder.load(builder.inttoptr(place, _I64.as_pointer()))


@intrinsic
def peek(typingctx, address, i):
    """The i-th word at an address."""

    def codegen(context, builder, sig, args):
        place = builder.add(args[0], builder.mul(args[1], ir.Constant(_I64, 8)))
        return builder.load(builder.inttoptr(place, _I64.as_pointer()))

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _write_int(typingctx, address, value):
    def codegen(context, builder, sig, args):
        builder.store(builder.trunc(args[1], _I32), builder.inttoptr(args[0], _I32.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@inlined
def peek_int(address, i):
    """The C int that begins the i-th word at an address."""
    return peek(address, i) & 0xFFFFFFFF


@inlined
def answer_metadata(frame):
    """At registration XLA asks, by an extension of the frame, for the version of its interface; True when that was the question."""
    extension = peek(frame, EXTENSION)
    if extension == 0 or peek_int(extension, 1) != METADATA:
        return False
    metadata = peek(extension, 3)  # XLA_FFI_Metadata: size, XLA_FFI_Api_Version (size, extension, two ints), traits
    _write_int(metadata + 24, VERSION[0])
    _write_int(metadata + 28, VERSION[1])
    _write_int(metadata + 32, 0)
    return True


@inlined
def buffer_at(frame, i):
    """The address of the i-th XLA_FFI_Buffer (size, extension, dtype, data, rank, dims): the arguments, then the results."""
    n = peek(frame, ARGS + 2)
    return peek(peek(frame, ARGS + 4), i) if i < n else peek(peek(frame, RETS + 4), i - n)


@inlined
def numbers_of(frame):
    """The address of the only attribute, an XLA_FFI_Array (dtype, size, data); 0 where there is another."""
    if peek(frame, ATTRS + 2) != 1 or peek_int(peek(frame, ATTRS + 3), 0) != ARRAY:
        return 0
    return peek(peek(frame, ATTRS + 5), 0)


def call_api(builder, frame, function, fields):
    """Code that calls one of XLA's functions with a struct of these words after size and extension; gives an XLA_FFI_Error or 0."""
    values = [ir.Constant(_I64, 8 * (2 + len(fields))), ir.Constant(_I64, 0), *fields]
    struct = cgutils.alloca_once(builder, _I64, len(values))
    for i, value in enumerate(values):
        builder.store(value, builder.gep(struct, [ir.Constant(_I32, i)]))
    kind = ir.FunctionType(_I64, [struct.type]).as_pointer()
    return builder.call(builder.inttoptr(word(builder, word(builder, frame, API), function), kind), [struct])


def unpacker(arguments, results, n_numbers):
    """An intrinsic (frame, part) -> (part, arrays ..., numbers ...), the arrays of these Numba types."""

    @intrinsic
    def unpack(typingctx, frame, part):
        kinds = types.Tuple([types.int64, *arguments, *results, *[types.int64] * n_numbers])

        def codegen(context, builder, sig, args):
            frame, part = args
            places = [(ARGS, i, kind) for i, kind in enumerate(arguments)] + [(RETS, i, kind) for i, kind in enumerate(results)]
            values = [part]
            for place, i, kind in places:
                values.append(_array(context, builder, kind, word(builder, word(builder, frame, place + 4), i)))
            numbers = word(builder, word(builder, word(builder, frame, ATTRS + 5), 0), 2)
            values += [word(builder, numbers, i) for i in range(n_numbers)]
            return context.make_tuple(builder, kinds, values)

        return kinds(types.int64, types.int64), codegen

    return unpack


def _array(context, builder, kind, buffer):
    """A Numba array of type `kind` on the memory of an XLA_FFI_Buffer."""
    data, dims = word(builder, buffer, 3), word(builder, buffer, 5)
    array = make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape = [word(builder, dims, axis) for axis in range(kind.ndim)]
    strides, step = [], ir.Constant(_I64, size)
    for length in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, length)
    pointer = builder.inttoptr(data, context.get_data_type(kind.dtype).as_pointer())
    populate_array(array, data=pointer, shape=shape, strides=strides, itemsize=context.get_constant(types.intp, size), meminfo=None)
    return array._getvalue()


@intrinsic
def refuse(typingctx, frame, message):
    """The address of an XLA_FFI_Error with the C string at `message`, for XLA to raise."""

    def codegen(context, builder, sig, args):
        frame, message = args
        return call_api(builder, frame, ERROR_CREATE, [message, ir.Constant(_I64, INVALID_ARGUMENT)])

    return types.int64(types.int64, types.int64), codegen
