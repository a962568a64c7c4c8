using System.Collections.Immutable;
using System.Text;
using Dormouse.Protocol.Inference;
using Dormouse.Server.Batches.Inputs;

namespace Dormouse.Server.Tests.Batches;

public sealed class CsvTensorsTests
{
    private static readonly ImmutableArray<TensorInfo> Four = [new("x", "FP32", [-1, 4])];

    private static readonly ImmutableArray<TensorInfo> Named = [new("age", "INT64", [-1, 1]), new("name", "BYTES", [-1])];

    [Theory]
    [InlineData("a,b,c,d\n1,2,3,4", """{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}""")]
    [InlineData("a\tb\tc\td\r\n1\t2\t3\t4\r\n\r\n5\t6\t7\t8\r\n", """{"inputs":[{"name":"x","datatype":"FP32","shape":[2,4],"data":[1,2,3,4,5,6,7,8]}]}""")]
    [InlineData("\ufeffa;b;c;d\n1;\"2\";3;4\n", """{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}""")]
    public void Rows_of_a_table_are_rows_of_the_tensor(string csv, string expected) => Assert.Equal(expected, Compose(csv, Four, out _));

    [Fact]
    public void Columns_that_are_called_like_the_inputs_are_those() => Assert.Equal(
        """{"inputs":[{"name":"age","datatype":"INT64","shape":[2,1],"data":[36,41]},{"name":"name","datatype":"BYTES","shape":[2],"data":["Ada","Bo, \u0022the\u0022 Bo"]}]}""",
        Compose("name,age\nAda,36\n\"Bo, \"\"the\"\" Bo\",41\n", Named, out _));

    [Theory]
    [InlineData("", "no row")]
    [InlineData("a,b,c,d\n", "no row")]
    [InlineData("a,a,c,d\n1,2,3,4", "the same name")]
    [InlineData("a,b,c\n1,2,3", "whose shape is [-1,4]: that does not fit")]
    [InlineData("a,b,c,d\n1,2,3,4\n1,2,3", "Row 2 has 3 fields; the first line names 4 columns.")]
    [InlineData("a,b,c,d\n1,2,3,many", "Row 1: column 'd' is 'many'; input 'x' takes FP32.")]
    public void What_does_not_fit_is_said(string csv, string expected)
    {
        Assert.Null(Compose(csv, Four, out var fault));
        Assert.Contains(expected, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_rows_need_a_model_that_takes_several()
    {
        ImmutableArray<TensorInfo> one = [new("x", "FP32", [2])];

        Assert.Equal("""{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}""", Compose("a,b\n1,2", one, out _));
        Assert.Null(Compose("a,b\n1,2\n3,4", one, out var fault));
        Assert.Contains("takes one at a time", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_text_is_said()
    {
        Assert.Null(CsvTensors.Compose([0xff, 0xfe], Four, out var fault));
        Assert.Contains("UTF-8", fault, StringComparison.Ordinal);
    }

    /// <summary>Whatever it is, it is a sentence and no exception: an event that nobody can read must not hold up the others.</summary>
    [Fact]
    public void Garbage_is_refused_with_a_sentence()
    {
        var random = new Random(7);
        foreach (var length in Enumerable.Range(0, 300))
        {
            var text = string.Concat(Enumerable.Range(0, length).Select(_ => "a1,;\t\"\n\r |"[random.Next(10)]));
            var made = Compose(text, Four, out var fault);
            Assert.True(made is not null || fault.Length > 0, text);
        }
    }

    private static string? Compose(string csv, ImmutableArray<TensorInfo> inputs, out string fault) =>
        CsvTensors.Compose(Encoding.UTF8.GetBytes(csv), inputs, out fault) is { } body ? Encoding.UTF8.GetString(body) : null;
}
