using System.Text.Json.Nodes;

namespace Dormouse.EndToEnd.Tests.Hostile;

/// <summary>What every refusal owes its caller: a status, a code, a sentence that names the thing, and nothing of the server's inside.</summary>
internal static class Refusal
{
    /// <summary>Traces, types, paths of the server's machine and of the engine's sources.</summary>
    private static readonly string[] Inside = ["   at ", "Exception", ".cs:line", "/proc/", "/tmp/", "/home/", "/root/", "System.", "Microsoft.", "onnxruntime::", "/onnxruntime"];

    public static async Task<string> AssertAsync(HttpResponseMessage response, int status, string code, params string[] words)
    {
        using (response)
        {
            var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            var path = response.RequestMessage?.RequestUri?.AbsolutePath ?? "";
            return Check(new RawAnswer((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType ?? "", body), path, status, code, words);
        }
    }

    /// <returns>The sentence.</returns>
    public static string Check(RawAnswer answer, string path, int status, string code, params string[] words)
    {
        var shown = $"{path} answered {answer.Status} {answer.Body}";
        TestContext.Current.TestOutputHelper?.WriteLine(shown);
        Assert.True(answer.Status == status, $"Expected {status} {code}; {shown}");
        var isInference = path.StartsWith("/v2", StringComparison.Ordinal);
        Assert.Equal(isInference ? "application/json" : "application/problem+json", answer.ContentType);
        var document = JsonNode.Parse(answer.Body)!;
        Assert.True(Text(document, "code") == code, $"Expected {code}; {shown}");
        Assert.Equal("urn:dormouse:problem:" + code, Text(document, "type"));
        Assert.Equal(status, document["status"]!.GetValue<int>());
        Assert.False(string.IsNullOrEmpty(Text(document, "title")), shown);
        var detail = Text(document, "detail");
        Assert.False(string.IsNullOrEmpty(detail), shown);
        Assert.Equal(isInference ? detail : null, Text(document, "error"));
        foreach (var word in words)
        {
            Assert.Contains(word, detail, StringComparison.Ordinal);
        }

        foreach (var secret in Inside)
        {
            Assert.DoesNotContain(secret, answer.Body, StringComparison.Ordinal);
        }

        return detail;
    }

    private static string? Text(JsonNode document, string member) => document[member]?.GetValue<string>();
}
