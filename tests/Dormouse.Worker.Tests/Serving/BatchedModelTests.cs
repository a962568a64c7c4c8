using Dormouse.Worker.Tests.Support;

namespace Dormouse.Worker.Tests.Serving;

/// <summary>
/// Answers out of a batch against answers of single runs, on real models. Kernels of the engine may add in another order when there are more rows, so numbers
/// may differ by rounding: 1e-5 + 1e-4 × value is the promise; what is equal to the bit is said in the test's output.
/// </summary>
public sealed class BatchedModelTests
{
    private const double Absolute = 1e-5;
    private const double Relative = 1e-4;

    [Fact]
    public async Task The_shipped_digits_answer_the_same_in_a_batch()
    {
        var digits = Path.Combine(BatchingTests.Checkout(), "models", "digits", "model.onnx");
        var random = new Random(7);
        List<TestTensor[]> requests = [];
        for (var i = 0; i < 12; i++)
        {
            var rows = 1 + (i % 3);
            requests.Add([new TestTensor("image", "FP32", [rows, 1, 8, 8], [.. Enumerable.Range(0, rows * 64).SelectMany(_ => BitConverter.GetBytes(random.NextSingle()))])]);
        }

        await CompareAsync(digits, requests);
    }

    [Theory]
    [InlineData("mobilenet-v2-fp32")]
    [InlineData("movie-review-v1")]
    [InlineData("nnsplit-en")]
    [InlineData("xgboost-classifier-wine")]
    [InlineData("super-resolution")]
    [InlineData("model2vec-64")]
    public async Task A_real_model_answers_the_same_in_a_batch(string name)
    {
        var folder = Path.GetFullPath(Path.Combine(BatchingTests.Checkout(), "..", "shared", "data", "onnx", name));
        Assert.SkipUnless(Directory.Exists(folder), "../shared/data/onnx is absent.");
        var cases = Directory.EnumerateFiles(folder, "case*.json").Order(StringComparer.Ordinal).Select(path => new CaseFile(path))
            .Where(file => file.ExpectedError is null).Select(file => file.Inputs().ToArray()).ToList();
        // Those of the first case's kind, and it twice: once more with every value in reverse, so that rows differ.
        var kind = string.Join(' ', cases[0].Select(KindOf));
        List<TestTensor[]> requests = [.. cases.Where(inputs => string.Join(' ', inputs.Select(KindOf)) == kind), [.. cases[0].Select(Reversed)]];

        await CompareAsync(Path.Combine(folder, "model.onnx"), requests);
    }

    private static async Task CompareAsync(string path, List<TestTensor[]> requests)
    {
        using var folder = new ModelFolder(await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken));
        var single = new List<InferCall.Answer>();
        await using (var worker = await BatchingTests.ServeAsync(folder, batchMax: 1, delayMicroseconds: 0))
        {
            foreach (var request in requests)
            {
                single.Add(await InferCall.BinaryAsync(worker, request));
            }
        }

        var rows = (int)requests.Sum(request => request[0].Shape[0]);
        await using var batching = await BatchingTests.ServeAsync(folder, batchMax: rows);
        var together = await Task.WhenAll(requests.Select(request => InferCall.BinaryAsync(batching, request)));

        var (equal, numbers, furthest) = (0, 0, 0.0);
        for (var i = 0; i < requests.Count; i++)
        {
            Assert.Equal(rows, BatchingTests.RowsOf(together[i]));
            foreach (var (name, expected) in single[i].Outputs)
            {
                var actual = together[i].Outputs[name];
                Assert.Equal((expected.Datatype, string.Join(',', expected.Shape)), (actual.Datatype, string.Join(',', actual.Shape)));
                for (var at = 0; at < expected.Count; at++)
                {
                    var (one, other) = (expected.Value(at), actual.Value(at));
                    var far = Math.Abs(one - other);
                    numbers++;
                    equal += far == 0 ? 1 : 0;
                    furthest = Math.Max(furthest, far);
                    Assert.True(far <= Absolute + (Relative * Math.Abs(one)), $"request {i}, {name}[{at}]: {one} alone, {other} in a batch");
                }
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{requests.Count} requests, {rows} rows: {equal} of {numbers} numbers equal to the bit, the furthest {furthest:R} apart.");
    }

    private static string KindOf(TestTensor tensor) => $"{tensor.Name}{tensor.Datatype}{string.Join(',', tensor.Shape.Skip(1))}";

    private static TestTensor Reversed(TestTensor tensor)
    {
        var size = TestTensor.ElementSize(tensor.Datatype);
        return tensor with { Data = [.. tensor.Data.Chunk(size).Reverse().SelectMany(element => element)] };
    }
}
