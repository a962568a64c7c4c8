using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol;

namespace Dormouse.Drivers.Tests.Support;

/// <summary>What tests of Python code need of this machine, and how they call it.</summary>
internal static class PythonMachine
{
    /// <summary>For what never comes; a busy machine is given time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Looks again and again at what no process announces.</summary>
    public static Task UntilAsync(Func<bool> fact, [CallerArgumentExpression(nameof(fact))] string what = "") => UntilAsync(() => Task.FromResult(fact()), what);

    public static async Task UntilAsync(Func<Task<bool>> fact, [CallerArgumentExpression(nameof(fact))] string what = "")
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        using var looks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await fact())
        {
            Assert.False(limit.IsCancellationRequested, $"Waited {Patience.TotalSeconds} s; it did not come: {what}");
            await looks.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <summary>A driver that isolates at this level and makes templates, with this code in the package as <c>app.py</c>; the test is skipped with a word where there is no such level.</summary>
    public static async Task<DriverFixture> OpenAsync(string code, IsolationLevel isolation, Func<ProcessDriverOptions, ProcessDriverOptions>? change = null)
    {
        var package = PackageFolder();
        var python = Interpreter();
        var fixture = await DriverFixture.OpenAsync(change: options =>
        {
            var own = options with { Isolation = isolation, PythonCommand = python, PythonPackagePath = package, TemplatesMemoryBytes = 1L << 30, TemplateLoadTimeMin = TimeSpan.Zero };
            return change?.Invoke(own) ?? own;
        });
        if (fixture.Driver.IsolationRefusal(new() { Runtime = RuntimeKind.Python.Name, MemoryMib = 256, Isolation = isolation }) is { } refusal)
        {
            await fixture.DisposeAsync();
            Assert.Skip(refusal);
        }

        await File.WriteAllTextAsync(Path.Combine(fixture.PackageFolder, "app.py"), code, TestContext.Current.CancellationToken);
        return fixture;
    }

    /// <summary>The system's Python, or the test is skipped with a word.</summary>
    public static string Interpreter()
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "python3")).FirstOrDefault(File.Exists);
        if (found is null)
            Assert.Skip("There is no python3 in PATH.");
        return found;
    }

    /// <summary>The Debian 13 root that <c>./test</c> makes, for its CRIU; the test is skipped with a word where there is none, or this user cannot run it.</summary>
    public static string CriuFolder()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Skip("CRIU needs root.");
        var root = Path.Combine(Path.GetDirectoryName(PackageFolder())!, "artifacts", "debian13"); // Not null: it has a parent.
        if (!File.Exists(Path.Combine(root, "usr", "sbin", "criu")))
            Assert.Skip("There is no artifacts/debian13 with CRIU: ./test makes it where mmdebstrap can.");
        return root;
    }

    public static string PackageFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "python", "dormouse", "__init__.py")))
                return Path.Combine(folder.FullName, "python");
        }

        throw new InvalidOperationException("The checkout has no folder python/dormouse.");
    }

    public static async Task<(HttpStatusCode Status, JsonNode Body, string? RunMicroseconds)> PostAsync(string address, string json)
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address), token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(handler);
        using var answer = await client.PostAsync(new Uri("http://instance/"), new StringContent(json, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!, answer.Headers.TryGetValues(DormouseHeaders.RunMicroseconds, out var run) ? run.Single() : null);
    }
}
