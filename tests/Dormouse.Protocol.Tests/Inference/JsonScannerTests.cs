using System.Globalization;
using System.Text;
using CsCheck;
using Dormouse.Protocol.Inference;

namespace Dormouse.Protocol.Tests.Inference;

/// <summary>The fast reader against the simple one: same verdict, same bytes.</summary>
public sealed class JsonScannerTests
{
    private static readonly Datatype[] InJson = [.. Enum.GetValues<Datatype>().Where(d => !d.IsBinaryOnly())];

    [Fact]
    public void Requests_with_members_in_any_order_are_read_like_the_simple_reader_reads_them()
    {
        Gen.Int.Sample(seed =>
        {
            var (json, input) = DrawRequest(new Random(seed));

            Assert.NotNull(JsonOracle.Read(json, input));
            AssertAgree(json, input);
        }, iter: 2000);
    }

    [Fact]
    public void Damaged_requests_get_the_verdict_of_the_simple_reader()
    {
        var refused = 0;
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var (json, input) = DrawRequest(random);
            for (var i = random.Next(1, 4); i > 0; i--) json = Damage(random, json);

            if (JsonOracle.Read(json, input) is null) Interlocked.Increment(ref refused);
            AssertAgree(json, input);
        }, iter: 60_000);

        Assert.True(refused > 10_000, $"Only {refused} damaged requests were invalid: the damage is too mild.");
    }

    [Theory]
    [InlineData("FP32")]
    [InlineData("FP64")]
    public void Random_decimals_are_rounded_once(string datatype)
    {
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var text = new StringBuilder();
            if (random.Next(2) == 0) text.Append('-');
            text.Append(random.Next(1, 10));
            for (var i = random.Next(0, 20); i > 0; i--) text.Append(random.Next(10));
            if (random.Next(2) == 0)
            {
                text.Append('.');
                for (var i = random.Next(1, 25); i > 0; i--) text.Append(random.Next(10));
            }

            if (random.Next(2) == 0) text.Append(random.Next(2) == 0 ? 'e' : 'E').Append(random.Next(-60, 40));
            AssertAgree(Encoding.UTF8.GetBytes(Requests.One(datatype, "[]", text.ToString())), new TensorInfo("x", datatype, []));
        }, iter: 30_000);
    }

    [Fact]
    public void A_float_next_to_the_middle_of_two_is_rounded_from_the_digits_and_not_from_a_double()
    {
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var low = BitConverter.Int32BitsToSingle(random.Next(0x00800000, 0x7F000000));
            var middle = ((double)low + BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(low) + 1)) / 2;

            // All digits of the exact middle, then the same a little above or below.
            var exact = middle.ToString("E60", CultureInfo.InvariantCulture);
            var mantissa = exact[..exact.IndexOf('E', StringComparison.Ordinal)];
            var exponent = exact[exact.IndexOf('E', StringComparison.Ordinal)..];
            foreach (var text in (string[])[exact, $"{mantissa}1{exponent}", $"{mantissa[..^random.Next(1, 50)]}{exponent}", middle.ToString("R", CultureInfo.InvariantCulture)])
                AssertAgree(Encoding.UTF8.GetBytes(Requests.One("FP32", "[]", text)), new TensorInfo("x", "FP32", []));
        }, iter: 3000);
    }

    [Theory]
    [InlineData("16777217", 16777216f)]
    [InlineData("16777217.0000000001", 16777218f)]
    [InlineData("1.00000017881393432617187499", 1.00000011920929f)]
    [InlineData("1.00000017881393432617187501", 1.00000023841858f)]
    [InlineData("1e-45", 1.401298464324817e-45f)]
    [InlineData("7.006492321624085e-46", 0f)]
    [InlineData("7.006492321624086e-46", 1.401298464324817e-45f)]
    [InlineData("3.4028234663852886e38", float.MaxValue)]
    [InlineData("340282346638528859811704183484516925440", float.MaxValue)]
    [InlineData("0.1", 0.1f)]
    [InlineData("-0", -0f)]
    [InlineData("-0.0e5", -0f)]
    [InlineData("0e400", 0f)]
    [InlineData("1E+2", 100f)]
    [InlineData("0.000000000000000000000000000000000000000000000000000001e54", 1f)]
    [InlineData("100000000000000000000000000000000000000000000000000000e-53", 1f)]
    public void A_float_is_the_one_nearest_to_the_digits(string text, float expected)
    {
        using var request = Requests.Json(Requests.One("FP32", "[1]", $"[{text}]"), Requests.Model(Requests.Tensor("x", "FP32", -1)));

        Assert.Equal(BitConverter.GetBytes(expected), request.Inputs[0].Data.ToArray());
    }

    private static void AssertAgree(byte[] json, TensorInfo input)
    {
        var expected = JsonOracle.Read(json, input);
        byte[]? actual;
        var reason = "";
        try
        {
            using var request = InferRequestReader.Read(json, null, Requests.Model(input), "m");
            actual = EveryFormTests.Binary(Assert.Single(request.Inputs));
        }
        catch (InferenceException refusal)
        {
            actual = null;
            reason = refusal.Message;
        }

        var same = expected is null ? actual is null : actual is not null && expected.AsSpan().SequenceEqual(actual);
        Assert.True(same, $"{input.Datatype} {Encoding.UTF8.GetString(json)}: expected {(expected is null ? "a refusal" : Convert.ToHexString(expected))}, "
            + $"got {(actual is null ? "a refusal: " + reason : Convert.ToHexString(actual))}");
    }

    private static (byte[] Json, TensorInfo Input) DrawRequest(Random random)
    {
        var sample = TensorSample.Draw(random, InJson[random.Next(InJson.Length)]);
        var data = random.Next(2) == 0 ? sample.Flat(random) : sample.Nested(random);
        string[] members =
        [
            "\"name\":\"x\"", $"\"datatype\": \"{sample.Datatype.Name()}\"", $"\"shape\":{sample.ShapeText}", $"\"data\" :{data}",
            .. random.Next(3) == 0 ? ["\"parameters\":{\"a\":1,\"b\":\"c\",\"d\":true}"] : Array.Empty<string>(),
            .. random.Next(4) == 0 ? ["\"unknown\":{\"data\":[1,[2]]}"] : Array.Empty<string>(),
        ];
        if (random.Next(2) == 0) random.Shuffle(members);
        string[] top =
        [
            $"\"inputs\":[{{{string.Join(',', members)}}}]",
            .. random.Next(4) == 0 ? ["\"id\":\"4\\u0032\""] : Array.Empty<string>(),
            .. random.Next(4) == 0 ? ["\"outputs\": []"] : Array.Empty<string>(),
            .. random.Next(4) == 0 ? ["\"parameters\":{}"] : Array.Empty<string>(),
        ];
        random.Shuffle(top);
        return (Encoding.UTF8.GetBytes($" {{{string.Join(", ", top)}}}\n"), sample.Info);
    }

    private static byte[] Damage(Random random, byte[] json)
    {
        ReadOnlySpan<byte> alphabet = "[]{},:\"0123456789.-+eE \\/u\ttrufalsn\0\xE9xI"u8;
        if (json.Length == 0) return json;
        var at = random.Next(json.Length);

        // Most of the damage is wanted in the data, not in the names around it.
        var data = json.AsSpan().IndexOf("\"data\""u8);
        if (data >= 0 && random.Next(3) > 0) at = Math.Min(json.Length - 1, data + 6 + random.Next(40));
        var other = alphabet[random.Next(alphabet.Length)];
        return random.Next(6) switch
        {
            0 => [.. json[..at], .. json[(at + 1)..]],
            1 => [.. json[..at], json[at], .. json[at..]],
            2 => [.. json[..at], other, .. json[at..]],
            3 => [.. json[..at], other, .. json[(at + 1)..]],
            4 => [.. json[..at], .. json[Math.Min(json.Length, at + random.Next(1, 6))..]],
            _ => random.Next(4) == 0 ? json[..at] : [.. json[..at], (byte)random.Next(256), .. json[(at + 1)..]],
        };
    }
}
