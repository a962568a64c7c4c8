using Google.Protobuf;

namespace Dormouse.EndToEnd.Tests.Inference;

/// <summary>Reads ONNX's TensorProto from test vectors (fields by number: dims 1, data_type 2, float_data 4, int32_data 5, string_data 6, int64_data 7, name 8, raw_data 9, double_data 10, uint64_data 11).</summary>
internal static class TensorProto
{
    private static readonly Dictionary<int, string> Datatypes = new()
    {
        [1] = "FP32",
        [2] = "UINT8",
        [3] = "INT8",
        [4] = "UINT16",
        [5] = "INT16",
        [6] = "INT32",
        [7] = "INT64",
        [8] = "BYTES",
        [9] = "BOOL",
        [10] = "FP16",
        [11] = "FP64",
        [12] = "UINT32",
        [13] = "UINT64",
        [16] = "BF16",
    };

    public static Tensor Read(byte[] proto, string name)
    {
        var input = new CodedInputStream(proto);
        var dims = new List<long>();
        var (type, raw) = (0, Array.Empty<byte>());
        var (typed, texts) = (new List<byte>(), new List<string>());
        var element = new List<Func<string, byte[]>>();
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            var packed = (tag & 7) == 2;
            switch (tag >> 3)
            {
                case 1: Each(input, packed, () => dims.Add(input.ReadInt64())); break;
                case 2: type = input.ReadInt32(); break;
                case 4: Each(input, packed, () => typed.AddRange(BitConverter.GetBytes(input.ReadFloat()))); break;
                case 5: Each(input, packed, () => { var v = input.ReadInt32(); element.Add(d => BitConverter.GetBytes(v)[..Tensor.Size(d)]); }); break;
                case 6: texts.Add(input.ReadBytes().ToStringUtf8()); break;
                case 7: Each(input, packed, () => typed.AddRange(BitConverter.GetBytes(input.ReadInt64()))); break;
                case 9: raw = input.ReadBytes().ToByteArray(); break;
                case 10: Each(input, packed, () => typed.AddRange(BitConverter.GetBytes(input.ReadDouble()))); break;
                case 11: Each(input, packed, () => { var v = input.ReadUInt64(); element.Add(d => BitConverter.GetBytes(v)[..Tensor.Size(d)]); }); break;
                default: input.SkipLastField(); break;
            }
        }

        var datatype = Datatypes.GetValueOrDefault(type) ?? throw new NotSupportedException($"ONNX element type {type} has no datatype in the protocol.");
        if (datatype == "BYTES")
        {
            return new Tensor(name, datatype, [.. dims], [], [.. texts]);
        }

        typed.AddRange(element.SelectMany(e => e(datatype)));
        return new Tensor(name, datatype, [.. dims], raw.Length > 0 ? raw : [.. typed]);
    }

    private static void Each(CodedInputStream input, bool packed, Action read)
    {
        if (!packed)
        {
            read();
            return;
        }

        var end = input.ReadLength() + input.Position;
        while (input.Position < end)
        {
            read();
        }
    }
}
