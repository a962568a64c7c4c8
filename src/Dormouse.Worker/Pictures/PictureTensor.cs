using System.Buffers.Binary;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Worker.Pictures;

/// <summary>From an encoded picture to the one input tensor of a model. Pixel values go through a table of 256 entries a channel, so the arithmetic is done once, at load.</summary>
internal sealed class PictureTensor
{
    private readonly PictureInput _rule;
    private readonly string _name;
    private readonly Datatype _datatype;
    private readonly int _width;
    private readonly int _height;
    private readonly int _channels;
    private readonly long[] _shape;

    /// <summary>Per channel of the tensor and pixel value, the element's bytes.</summary>
    private readonly byte[] _table;

    private PictureTensor(PictureInput rule, string name, Datatype datatype, long[] shape, int width, int height)
    {
        (_rule, _name, _datatype, _shape, _width, _height) = (rule, name, datatype, shape, width, height);
        _channels = rule.Channels == PictureChannels.Grey ? 1 : 3;
        _table = Table(rule, datatype, _channels);
    }

    /// <exception cref="SignatureException">The input is missing, is no picture-shaped tensor, or its size differs from the signature's.</exception>
    public static PictureTensor Bind(PictureInput rule, ModelInterface model)
    {
        var input = rule.Input is null
            ? (model.Inputs.Length == 1 ? model.Inputs[0] : null)
            : model.Inputs.FirstOrDefault(t => t.Name == rule.Input);
        if (input is null)
        {
            var names = string.Join(", ", model.Inputs.Select(t => t.Name));
            throw new SignatureException(rule.Input is null
                ? $"picture.input is needed: the model has {model.Inputs.Length} inputs ({names})."
                : $"picture.input: the model has no input '{rule.Input}'. It has {names}.");
        }

        if (model.Inputs.Length > 1)
        {
            throw new SignatureException($"picture: the model has {model.Inputs.Length} inputs; a picture can feed a model with one input only.");
        }

        if (!Datatypes.TryParse(input.Datatype, out var datatype) || datatype is Datatype.Bool or Datatype.Bytes)
        {
            throw new SignatureException($"picture: input '{input.Name}' holds {input.Datatype}; a picture needs numbers.");
        }

        var channels = rule.Channels == PictureChannels.Grey ? 1 : 3;
        var nchw = rule.Layout == TensorLayout.Nchw;
        if (input.Shape.Length != 4)
        {
            throw new SignatureException($"picture: input '{input.Name}' has the shape [{string.Join(", ", input.Shape)}]; a picture needs four dimensions ({(nchw ? "batch, channel, row, column" : "batch, row, column, channel")}).");
        }

        var (channelAxis, rowAxis, columnAxis) = nchw ? (1, 2, 3) : (3, 1, 2);
        var height = Side("height", rule.Height, input, rowAxis);
        var width = Side("width", rule.Width, input, columnAxis);
        if (input.Shape[0] is not (-1 or 1))
        {
            throw new SignatureException($"picture: input '{input.Name}' takes batches of {input.Shape[0]}; a picture needs a batch of 1.");
        }

        if (input.Shape[channelAxis] != -1 && input.Shape[channelAxis] != channels)
        {
            throw new SignatureException($"picture.channels is {rule.Channels.ToString().ToLowerInvariant()} ({channels}), but input '{input.Name}' [{string.Join(", ", input.Shape)}] has {input.Shape[channelAxis]} in the place of channels. Check picture.channels and picture.layout.");
        }

        long[] shape = nchw ? [1, channels, height, width] : [1, height, width, channels];
        return new PictureTensor(rule, input.Name, datatype, shape, width, height);
    }

    /// <summary>Memory of the tensor is rented from <paramref name="owner"/>.</summary>
    /// <exception cref="PictureException">The picture cannot be used.</exception>
    public InputTensor Read(ReadOnlySpan<byte> encoded, PictureMemory memory, InferRequest owner)
    {
        using var picture = PictureDecoder.Open(encoded, memory);
        if (!memory.IsLarge(picture.Pixels))
        {
            return Read(picture, owner);
        }

        lock (memory.LargeLock)
        {
            return Read(picture, owner);
        }
    }

    private InputTensor Read(PictureDecoder picture, InferRequest owner)
    {
        var image = picture.Decode();
        if (_channels == 1)
        {
            image = PictureFitting.Grey(image);
        }

        image = PictureFitting.Fit(image, _rule.Fit, _width, _height, (byte)_rule.Padding);
        var size = _datatype.ElementSize();
        var data = owner.Rent(image.Pixels.Length * size);
        Fill(image.Pixels, data.Span, size);
        return new InputTensor { Name = _name, Datatype = _datatype, Shape = [.. _shape], Data = data };
    }

    private static int Side(string key, int? wanted, TensorInfo input, int axis)
    {
        var own = input.Shape[axis];
        if (own == -1)
        {
            return wanted ?? throw new SignatureException($"picture.{key} is needed: the model takes any size.");
        }

        return wanted is { } side && side != own
            ? throw new SignatureException($"picture.{key} is {side}, but input '{input.Name}' takes {own}.")
            : checked((int)own);
    }

    private void Fill(ReadOnlySpan<byte> pixels, Span<byte> data, int size)
    {
        var planes = _rule.Layout == TensorLayout.Nchw;
        var count = pixels.Length / _channels;
        for (var c = 0; c < _channels; c++)
        {
            var table = _table.AsSpan(c * 256 * size, 256 * size);
            var source = _rule.Channels == PictureChannels.Bgr ? 2 - c : c;
            for (var i = 0; i < count; i++)
            {
                var element = planes ? (c * count) + i : (i * _channels) + c;
                table.Slice(pixels[(i * _channels) + source] * size, size).CopyTo(data[(element * size)..]);
            }
        }
    }

    private static byte[] Table(PictureInput rule, Datatype datatype, int channels)
    {
        var size = datatype.ElementSize();
        var table = new byte[channels * 256 * size];
        for (var c = 0; c < channels; c++)
        {
            var mean = rule.Mean[rule.Mean.Length == 1 ? 0 : c];
            var deviation = rule.Deviation[rule.Deviation.Length == 1 ? 0 : c];
            for (var pixel = 0; pixel < 256; pixel++)
            {
                Write(table.AsSpan(((c * 256) + pixel) * size, size), datatype, ((pixel * rule.Scale) - mean) / deviation);
            }
        }

        return table;
    }

    /// <summary>Integers are rounded half to even and saturate; the binary forms are little-endian.</summary>
    private static void Write(Span<byte> to, Datatype datatype, double value)
    {
        var whole = Math.Round(value);
        switch (datatype)
        {
            case Datatype.Uint8: to[0] = byte.CreateSaturating(whole); break;
            case Datatype.Int8: to[0] = (byte)sbyte.CreateSaturating(whole); break;
            case Datatype.Uint16: BinaryPrimitives.WriteUInt16LittleEndian(to, ushort.CreateSaturating(whole)); break;
            case Datatype.Int16: BinaryPrimitives.WriteInt16LittleEndian(to, short.CreateSaturating(whole)); break;
            case Datatype.Uint32: BinaryPrimitives.WriteUInt32LittleEndian(to, uint.CreateSaturating(whole)); break;
            case Datatype.Int32: BinaryPrimitives.WriteInt32LittleEndian(to, int.CreateSaturating(whole)); break;
            case Datatype.Uint64: BinaryPrimitives.WriteUInt64LittleEndian(to, ulong.CreateSaturating(whole)); break;
            case Datatype.Int64: BinaryPrimitives.WriteInt64LittleEndian(to, long.CreateSaturating(whole)); break;
            case Datatype.Fp16: BinaryPrimitives.WriteHalfLittleEndian(to, (Half)value); break;
            case Datatype.Bf16: BinaryPrimitives.WriteUInt16LittleEndian(to, Bfloat(value)); break;
            case Datatype.Fp32: BinaryPrimitives.WriteSingleLittleEndian(to, (float)value); break;
            case Datatype.Fp64: BinaryPrimitives.WriteDoubleLittleEndian(to, value); break;
            default: throw new InvalidOperationException($"{datatype} is no number.");
        }
    }

    /// <summary>The upper half of a float, rounded half to even.</summary>
    private static ushort Bfloat(double value)
    {
        var bits = BitConverter.SingleToUInt32Bits((float)value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
