using System.Runtime.InteropServices;
using System.Text.Unicode;
using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>Finds what keeps an output from being JSON, before anything of the answer is written.</summary>
internal static class JsonOutputCheck
{
    /// <exception cref="InferenceException"><c>output_not_json</c>, asking for the binary form.</exception>
    public static void EnsureWritable(OutputTensor output)
    {
        if (Obstacle(output) is { } obstacle)
        {
            throw new InferenceException(ProblemCode.OutputNotJson,
                $"output '{output.Name}' {obstacle}, which JSON cannot carry; ask for it in binary with the output parameter 'binary_data': true, "
                + "or for all outputs with the request parameter 'binary_data_output': true");
        }
    }

    private static string? Obstacle(OutputTensor output)
    {
        switch (output.Datatype)
        {
            case Datatype.Fp16 or Datatype.Bf16:
                return $"is {output.Datatype.Name()}";
            case Datatype.Fp32:
                var singles = MemoryMarshal.Cast<byte, float>(output.Data.Span);
                for (var i = 0; i < singles.Length; i++)
                {
                    if (!float.IsFinite(singles[i])) return NotFinite(i, singles[i]);
                }

                return null;
            case Datatype.Fp64:
                var doubles = MemoryMarshal.Cast<byte, double>(output.Data.Span);
                for (var i = 0; i < doubles.Length; i++)
                {
                    if (!double.IsFinite(doubles[i])) return NotFinite(i, doubles[i]);
                }

                return null;
            case Datatype.Bytes when output.Strings is { } strings:
                for (var i = 0; i < strings.Count; i++)
                {
                    if (!Utf8.IsValid(strings[i])) return $"has bytes in element {i} that are not UTF-8";
                }

                return null;
            default:
                return null;
        }
    }

    private static string NotFinite(int index, double value) =>
        $"has {(double.IsNaN(value) ? "NaN" : value > 0 ? "infinity" : "minus infinity")} in element {index}";
}
