using System.Buffers.Binary;
using System.Text;

namespace Dormouse.Cli.Drill;

/// <summary>
/// The model of a drill, one file a revision: <c>total = x + trips × mark</c>, counted up in a loop, so that a run lasts as long as its caller wants and
/// the right answer of every input is known. The mark is the revision's number: an answer of another revision, of another request or of half a run differs. A slow one runs the loop nine times more, for nothing.
/// </summary>
internal static class DrillModel
{
    public const string Total = "total";

    private const long Int64 = 7;
    private const long Bool = 9;

    /// <summary>What the revision with this mark must answer.</summary>
    public static long Answer(DrillCall call, long mark) => call.X + (call.Trips * mark);

    /// <summary>Turns of a slow revision beside those of the answer, for each of these.</summary>
    private const long SlowTurns = 9;

    /// <summary>An ONNX file (field numbers of onnx.proto, opset 17).</summary>
    /// <param name="isSlow">It answers the same and takes ten times as long.</param>
    public static byte[] File(long mark, bool isSlow = false)
    {
        var graph = new Message().Text(2, "drill");
        if (isSlow)
        {
            // What the other loop counts up to is multiplied by nothing and added: it has to be run.
            graph.Nested(1, Node("Mul", "many", ["trips", "turns"]))
                .Nested(1, Loop("counted", "many", "x"))
                .Nested(1, Node("Mul", "nothing", ["counted", "zero"]))
                .Nested(1, Node("Add", "start", ["x", "nothing"]))
                .Nested(5, Constant("turns", SlowTurns))
                .Nested(5, Constant("zero", 0));
        }

        graph.Nested(1, Loop(Total, "trips", isSlow ? "start" : "x"))
            .Nested(5, Constant("mark", mark))
            .Nested(11, Tensor("x", Int64, 1))
            .Nested(11, Tensor("trips", Int64, 1))
            .Nested(12, Tensor(Total, Int64, 1));
        return new Message().Number(1, 8).Nested(7, graph).Nested(8, new Message().Text(1, "").Number(2, 17)).ToArray();
    }

    /// <summary>Adds the mark to <paramref name="from"/> as often as <paramref name="trips"/> says.</summary>
    private static Message Loop(string output, string trips, string from)
    {
        var body = new Message().Text(2, "step")
            .Nested(1, Node("Identity", "goes_on", ["going"]))
            .Nested(1, Node("Add", "next", ["count", "mark"]))
            .Nested(11, Tensor("trip", Int64))
            .Nested(11, Tensor("going", Bool))
            .Nested(11, Tensor("count", Int64, 1))
            .Nested(12, Tensor("goes_on", Bool))
            .Nested(12, Tensor("next", Int64, 1));
        return Node("Loop", output, [trips, "", from]).Nested(5, new Message().Text(1, "body").Nested(6, body).Number(20, 5));
    }

    private static Message Node(string type, string output, string[] inputs)
    {
        var node = new Message();
        foreach (var input in inputs)
        {
            node.Text(1, input);
        }

        return node.Text(2, output).Text(3, "make_" + output).Text(4, type);
    }

    /// <param name="shape">None = a scalar.</param>
    private static Message Tensor(string name, long type, params long[] shape)
    {
        var dimensions = new Message();
        foreach (var dimension in shape)
        {
            dimensions.Nested(1, new Message().Number(1, dimension));
        }

        return new Message().Text(1, name).Nested(2, new Message().Nested(1, new Message().Number(1, type).Nested(2, dimensions)));
    }

    private static Message Constant(string name, long value)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return new Message().Number(1, 1).Number(2, Int64).Text(8, name).Bytes(9, bytes);
    }

    /// <summary>A protobuf message as it is written.</summary>
    private sealed class Message
    {
        private readonly List<byte> _bytes = [];

        public Message Number(int field, long value)
        {
            Varint((ulong)field << 3);
            Varint((ulong)value);
            return this;
        }

        public Message Text(int field, string text) => Bytes(field, Encoding.UTF8.GetBytes(text));

        public Message Nested(int field, Message message) => Bytes(field, message.ToArray());

        public Message Bytes(int field, byte[] bytes)
        {
            Varint(((ulong)field << 3) | 2);
            Varint((ulong)bytes.Length);
            _bytes.AddRange(bytes);
            return this;
        }

        public byte[] ToArray() => [.. _bytes];

        private void Varint(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                _bytes.Add((byte)(value | 0x80));
            }

            _bytes.Add((byte)value);
        }
    }
}
