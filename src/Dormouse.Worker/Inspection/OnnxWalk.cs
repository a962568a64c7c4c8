using System.Globalization;
using System.Text;
using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Inspection;

/// <summary>
/// Walks an ONNX file: versions, operator sets, and every tensor anywhere in it that names another file. It looks into each place the
/// format has for a tensor, also where a field is repeated that should not be, because a reader that merges them would see the same.
/// </summary>
internal static class OnnxWalk
{
    /// <summary>Largest fixed dimension of an input or output.</summary>
    internal const long DimensionMax = int.MaxValue;

    private const int DepthMax = 64;
    private const ulong DataLocationExternal = 1;

    /// <summary>Summary of the file. Throws <see cref="ProtoException"/> when it is no message and <see cref="ModelRefusedException"/> when it nests too deep.</summary>
    internal static void Model(ReadOnlySpan<byte> model, OnnxSummary summary)
    {
        var reader = new OnnxFields(model);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (1, OnnxFields.Varint):
                    summary.IrVersion = (long)reader.Number;
                    break;
                case (7, OnnxFields.LengthDelimited):
                    summary.HasGraph = true;
                    Graph(reader.Content, summary, 0);
                    break;
                case (8, OnnxFields.LengthDelimited):
                    OperatorSet(reader.Content, summary);
                    break;
                case (20, OnnxFields.LengthDelimited):
                    Training(reader.Content, summary);
                    break;
                case (25, OnnxFields.LengthDelimited):
                    Function(reader.Content, summary);
                    break;
            }
        }
    }

    private static void OperatorSet(ReadOnlySpan<byte> message, OnnxSummary summary)
    {
        var domain = "";
        long version = 0;
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (1, OnnxFields.LengthDelimited):
                    domain = Text(reader.Content);
                    break;
                case (2, OnnxFields.Varint):
                    version = (long)reader.Number;
                    break;
            }
        }

        summary.OperatorSets.Add((domain == "ai.onnx" ? "" : domain, version));
    }

    private static void Training(ReadOnlySpan<byte> message, OnnxSummary summary)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            if (reader is { Field: 1 or 2, Form: OnnxFields.LengthDelimited })
            {
                Graph(reader.Content, summary, 0);
            }
        }
    }

    private static void Function(ReadOnlySpan<byte> message, OnnxSummary summary)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (7, OnnxFields.LengthDelimited):
                    Node(reader.Content, summary, 0);
                    break;
                case (9, OnnxFields.LengthDelimited):
                    OperatorSet(reader.Content, summary);
                    break;
                case (11, OnnxFields.LengthDelimited):
                    Attribute(reader.Content, summary, 0);
                    break;
            }
        }
    }

    private static void Graph(ReadOnlySpan<byte> message, OnnxSummary summary, int depth)
    {
        if (depth > DepthMax)
        {
            throw new ModelRefusedException($"The model nests graphs more than {DepthMax} deep.");
        }

        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (1, OnnxFields.LengthDelimited):
                    Node(reader.Content, summary, depth);
                    break;
                case (5, OnnxFields.LengthDelimited):
                    Tensor(reader.Content, summary);
                    break;
                case (11 or 12, OnnxFields.LengthDelimited) when depth == 0:
                    Value(reader.Content, summary);
                    break;
                case (15, OnnxFields.LengthDelimited):
                    SparseTensor(reader.Content, summary);
                    break;
            }
        }
    }

    // An input or output: its name, and in type, tensor type, shape, dimension the value of each fixed dimension. The engine's own interface cuts it to 32 bits.
    private static void Value(ReadOnlySpan<byte> message, OnnxSummary summary)
    {
        const int typeField = 2, tensorType = 1, shapeField = 2, dimensionField = 1, valueField = 1;
        var name = "";
        var largest = 0L;
        var value = new OnnxFields(message);
        while (value.Next())
        {
            switch (value.Field, value.Form)
            {
                case (1, OnnxFields.LengthDelimited):
                    name = Text(value.Content);
                    break;
                case (typeField, OnnxFields.LengthDelimited):
                    Descend(value.Content, [tensorType, shapeField, dimensionField], valueField, ref largest);
                    break;
            }
        }

        if (largest > DimensionMax)
        {
            summary.LargeDimensions.Add((name, largest));
        }
    }

    /// <summary>The largest number in a field at the end of a path of messages.</summary>
    private static void Descend(ReadOnlySpan<byte> message, ReadOnlySpan<int> path, int field, ref long largest)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            if (path.IsEmpty)
            {
                if (reader.Field == field && reader.Form == OnnxFields.Varint)
                {
                    largest = Math.Max(largest, (long)reader.Number);
                }
            }
            else if (reader.Field == path[0] && reader.Form == OnnxFields.LengthDelimited)
            {
                Descend(reader.Content, path[1..], field, ref largest);
            }
        }
    }

    private static void Node(ReadOnlySpan<byte> message, OnnxSummary summary, int depth)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            if (reader is { Field: 5, Form: OnnxFields.LengthDelimited })
            {
                Attribute(reader.Content, summary, depth);
            }
        }
    }

    private static void Attribute(ReadOnlySpan<byte> message, OnnxSummary summary, int depth)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (5 or 10, OnnxFields.LengthDelimited):
                    Tensor(reader.Content, summary);
                    break;
                case (6 or 11, OnnxFields.LengthDelimited):
                    Graph(reader.Content, summary, depth + 1);
                    break;
                case (22 or 23, OnnxFields.LengthDelimited):
                    SparseTensor(reader.Content, summary);
                    break;
            }
        }
    }

    private static void SparseTensor(ReadOnlySpan<byte> message, OnnxSummary summary)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            if (reader is { Field: 1 or 2, Form: OnnxFields.LengthDelimited })
            {
                Tensor(reader.Content, summary);
            }
        }
    }

    // An entry counts whether or not the tensor also says that its data is external: merged fields could say it elsewhere.
    private static void Tensor(ReadOnlySpan<byte> message, OnnxSummary summary)
    {
        var name = "";
        var isExternal = false;
        List<string> locations = [];
        long offset = 0;
        long? length = null;
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (8, OnnxFields.LengthDelimited):
                    name = Text(reader.Content);
                    break;
                case (13, OnnxFields.LengthDelimited):
                    var (key, value) = Entry(reader.Content);
                    isExternal = true;
                    switch (key)
                    {
                        case "location":
                            locations.Add(value);
                            break;
                        case "offset":
                            offset = Whole(value, name, key);
                            break;
                        case "length":
                            length = Whole(value, name, key);
                            break;
                    }

                    break;
                case (14, OnnxFields.Varint):
                    isExternal |= reader.Number == DataLocationExternal;
                    break;
            }
        }

        if (isExternal)
        {
            summary.ExternalTensors.Add(new ExternalTensor(name, locations, offset, length));
        }
    }

    private static (string Key, string Value) Entry(ReadOnlySpan<byte> message)
    {
        var key = "";
        var value = "";
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (1, OnnxFields.LengthDelimited):
                    key = Text(reader.Content);
                    break;
                case (2, OnnxFields.LengthDelimited):
                    value = Text(reader.Content);
                    break;
            }
        }

        return (key, value);
    }

    private static long Whole(string value, string tensor, string key) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new ModelRefusedException($"Tensor '{tensor}' has the {key} '{value}' in its external data; a whole number is needed.");

    private static string Text(ReadOnlySpan<byte> utf8) => Encoding.UTF8.GetString(utf8);
}
