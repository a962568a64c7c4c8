using System.Collections.Frozen;
using System.Text;
using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Inspection;

/// <summary>
/// Files before IR version 4 list every weight among the inputs too. The optimiser may fold such a weight away, and then the optimised file shows
/// an input that nobody has to give and no node reads; only the original tells which they are.
/// </summary>
internal static class DefaultedInputs
{
    private const long FirstIrWithoutThem = 4;

    /// <summary>Names of the original's inputs that have a value of their own; empty for every file of this decade.</summary>
    internal static FrozenSet<string> Of(int folder, string modelPath)
    {
        var path = SessionLoader.PathOf(folder, modelPath);
        if (!File.Exists(path))
        {
            return FrozenSet<string>.Empty; // The optimised file stands alone; whether the original is needed is decided elsewhere.
        }

        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        if (length is 0 or > int.MaxValue)
        {
            return FrozenSet<string>.Empty;
        }

        using var mapped = MappedFile.Open(file, length);
        return Of(mapped.Bytes);
    }

    private static FrozenSet<string> Of(ReadOnlySpan<byte> model)
    {
        var inputs = new HashSet<string>(StringComparer.Ordinal);
        var initialisers = new HashSet<string>(StringComparer.Ordinal);
        var reader = new OnnxFields(model);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (1, OnnxFields.Varint) when (long)reader.Number >= FirstIrWithoutThem:
                    return FrozenSet<string>.Empty;
                case (7, OnnxFields.LengthDelimited):
                    Collect(reader.Content, inputs, initialisers);
                    break;
            }
        }

        inputs.IntersectWith(initialisers);
        return inputs.ToFrozenSet(StringComparer.Ordinal);
    }

    private static void Collect(ReadOnlySpan<byte> graph, HashSet<string> inputs, HashSet<string> initialisers)
    {
        const int initialiserField = 5, initialiserName = 8, inputField = 11, inputName = 1;
        var reader = new OnnxFields(graph);
        while (reader.Next())
        {
            switch (reader.Field, reader.Form)
            {
                case (initialiserField, OnnxFields.LengthDelimited):
                    initialisers.Add(Name(reader.Content, initialiserName));
                    break;
                case (inputField, OnnxFields.LengthDelimited):
                    inputs.Add(Name(reader.Content, inputName));
                    break;
            }
        }
    }

    private static string Name(ReadOnlySpan<byte> message, int field)
    {
        var reader = new OnnxFields(message);
        while (reader.Next())
        {
            if (reader.Field == field && reader.Form == OnnxFields.LengthDelimited)
            {
                return Encoding.UTF8.GetString(reader.Content);
            }
        }

        return "";
    }
}
