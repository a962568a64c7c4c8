using System.Buffers.Binary;
using System.Text.Json;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Inference;

/// <summary>Real models answer what their authors' tools answer, over HTTP, in JSON and in binary.</summary>
public sealed class RealModelTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static TheoryData<string> Cases()
    {
        var folder = Path.Combine(Checkout.SharedData, "onnx");
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "case*.json", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(folder, f)).Order(StringComparer.Ordinal)]
            : ["absent"];
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_case_is_answered_right_in_json_and_in_binary(string file)
    {
        using var known = ModelCase.Load(file);
        var endpoint = "case-" + Math.Abs(string.GetHashCode(file, StringComparison.Ordinal));
        await fixture.Server.DeployAsync(endpoint, known.ModelPath, Cancelled, new() { ["memory"] = "2GiB" });
        var inputs = known.Inputs();
        foreach (var binary in new[] { false, true })
        {
            if (known.ExpectsError)
            {
                using var request = InferCall.Request(endpoint, inputs, binary);
                using var response = await fixture.Server.Http.SendAsync(request, Cancelled);
                Assert.InRange((int)response.StatusCode, 400, 500);
                Assert.Contains("\"error\"", await response.Content.ReadAsStringAsync(Cancelled), StringComparison.Ordinal);
                continue;
            }

            known.AssertOutputs(await InferCall.SendAsync(fixture.Server, endpoint, inputs, binary, Cancelled));
        }

        using var deleted = await fixture.Server.Http.DeleteAsync(new Uri($"/api/v1/endpoints/{endpoint}", UriKind.Relative), Cancelled);
        Assert.True(deleted.IsSuccessStatusCode);
    }

    [Theory]
    [InlineData("sequence_speech.json")]
    [InlineData("sequence_silero_test.json")]
    public async Task A_stateful_model_follows_speech_frame_by_frame(string file)
    {
        using var known = JsonDocument.Parse(await File.ReadAllBytesAsync(Checkout.Shared("onnx/silero-vad/" + file), Cancelled));
        var endpoint = "vad-" + file.Length;
        await fixture.Server.DeployAsync(endpoint, Checkout.Shared("onnx/silero-vad/model.onnx"), Cancelled);
        var wave = await File.ReadAllBytesAsync(Path.Combine(Checkout.SharedData, "onnx/silero-vad", known.RootElement.GetProperty("audio").GetString()!), Cancelled);
        var samples = Samples(wave);
        var probabilities = known.RootElement.GetProperty("probability").EnumerateArray().Select(e => e.GetDouble()).ToArray();
        Assert.Equal(probabilities.Length, samples.Length / 512);

        var state = new byte[2 * 128 * 4];
        var rate = BitConverter.GetBytes(16000L);
        var frame = new float[576];
        for (var k = 0; k < probabilities.Length; k++)
        {
            frame.AsSpan(512).CopyTo(frame);
            samples.AsSpan(k * 512, 512).CopyTo(frame.AsSpan(64));
            Tensor[] inputs =
            [
                new("input", "FP32", [1, 576], [.. frame.SelectMany(BitConverter.GetBytes)]),
                new("state", "FP32", [2, 1, 128], state),
                new("sr", "INT64", [], rate),
            ];
            var outputs = await InferCall.SendAsync(fixture.Server, endpoint, inputs, binary: true, Cancelled);
            TensorAssert.Close([probabilities[k]], outputs["output"].Doubles(), 0, known.RootElement.GetProperty("atol").GetDouble(), $"frame {k}");
            state = outputs["stateN"].Raw;
        }
    }

    [Fact]
    public async Task A_language_model_tells_its_story_token_by_token()
    {
        using var known = JsonDocument.Parse(await File.ReadAllBytesAsync(Checkout.Shared("onnx/stories260k/greedy.json"), Cancelled));
        var ids = known.RootElement.GetProperty("greedy_from_bos").GetProperty("ids").EnumerateArray().Select(e => e.GetInt64()).ToArray();
        await fixture.Server.DeployAsync("stories", Checkout.Shared("onnx/stories260k/model.onnx"), Cancelled);

        var told = new List<long> { ids[0] };
        while (told.Count < 40)
        {
            Tensor[] inputs = [new("input_ids", "INT64", [1, told.Count], [.. told.SelectMany(BitConverter.GetBytes)])];
            var logits = (await InferCall.SendAsync(fixture.Server, "stories", inputs, binary: true, Cancelled))["logits"].Doubles()[^512..];
            told.Add(Array.IndexOf(logits, logits.Max()));
        }

        Assert.Equal(ids[..40], told);
    }

    /// <summary>16-bit samples of the data chunk, scaled to −1 … 1.</summary>
    private static float[] Samples(byte[] wave)
    {
        var at = 12;
        while (!wave.AsSpan(at, 4).SequenceEqual("data"u8))
        {
            at += 8 + BinaryPrimitives.ReadInt32LittleEndian(wave.AsSpan(at + 4));
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(wave.AsSpan(at + 4));
        return [.. Enumerable.Range(0, length / 2).Select(i => BinaryPrimitives.ReadInt16LittleEndian(wave.AsSpan(at + 8 + (i * 2))) / 32768f)];
    }
}
