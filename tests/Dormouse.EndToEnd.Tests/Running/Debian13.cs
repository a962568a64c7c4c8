namespace Dormouse.EndToEnd.Tests.Running;

/// <summary>A server in the Debian 13 root that <c>./test</c> makes (docs/decisions/0081-a-debian-of-its-own.md), for what Debian 12 has not.</summary>
internal static class Debian13
{
    /// <summary>The test is skipped with a word where there is no such root with ONNX Runtime, or this user cannot run it.</summary>
    public static async Task<RunningServer> StartAsync(IReadOnlyDictionary<string, string> settings, string? data, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Skip("Only root can run a server in a system of its own.");
        }

        if (!File.Exists(Path.Combine(Checkout.Root, "artifacts", "debian13", "usr", "lib", "python3", "dist-packages", "onnxruntime", "__init__.py")))
        {
            Assert.Skip("There is no artifacts/debian13 with ONNX Runtime: tests/debian13 makes it where mmdebstrap can.");
        }

        return await RunningServer.StartAsync(cancellationToken, data, settings, within: Path.Combine(Checkout.Root, "tests", "within-debian13"));
    }
}
