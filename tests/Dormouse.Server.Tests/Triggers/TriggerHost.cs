using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Dormouse.Server.Queues;
using Dormouse.Server.Tests.Gateway;
using Dormouse.Server.Triggers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Tests.Triggers;

/// <summary>What an instance was sent.</summary>
internal sealed record SeenRun(string Body, string Path, IReadOnlyDictionary<string, string> Headers);

/// <summary>A server whose trigger, called <c>t</c>, may watch one folder.</summary>
internal static class TriggerHost
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<GatewayHost> StartAsync(string inbox, Dictionary<string, string>? settings = null, TriggerLines? log = null)
    {
        var all = new Dictionary<string, string> { ["DORMOUSE_TRIGGERS__FOLDERS"] = inbox, ["DORMOUSE_LOGGING__LEVEL"] = log is null ? "error" : "information" };
        foreach (var (name, value) in settings ?? [])
        {
            all[name] = value;
        }

        var host = await GatewayHost.StartAsync(all, storesQueue: true, services: added =>
        {
            if (log is not null)
            {
                added.AddSingleton<ILoggerProvider>(log);
            }
        });
        host.Service<QueueLoop>().Start();
        host.Service<TriggerLoop>().Start();
        return host;
    }

    /// <summary>What instances were sent, in order.</summary>
    public static List<SeenRun> Record(GatewayHost host)
    {
        var seen = new List<SeenRun>();
        host.Driver.Play = run =>
        {
            lock (seen)
            {
                seen.Add(new SeenRun(
                    Encoding.UTF8.GetString(run.Body), run.Context.Request.Path, run.Context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
            }

            return FakeInstance.AnswerAsync(run.Context, 200, "text/plain", "done"u8.ToArray());
        };
        return seen;
    }

    /// <summary>A file that is old enough to be whole.</summary>
    public static void Write(GatewayHost host, string folder, string name, string text)
    {
        // It comes into the folder with its time, or it would be seen as one that is being written.
        var part = Path.Combine(folder, "." + name);
        File.WriteAllText(part, text);
        File.SetLastWriteTimeUtc(part, host.Time.GetUtcNow().UtcDateTime.AddMinutes(-1));
        File.Move(part, Path.Combine(folder, name));
    }

    public static async Task<HttpResponseMessage> TryPutAsync(GatewayHost host, object trigger)
    {
        using var content = new StringContent(JsonSerializer.Serialize(trigger));
        return await host.Client.PutAsync("/api/v1/triggers/t", content, Cancellation);
    }

    public static async Task PutAsync(GatewayHost host, object trigger)
    {
        using var response = await TryPutAsync(host, trigger);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    public static async Task<JsonElement> ShowAsync(GatewayHost host)
    {
        using var response = await host.Client.GetAsync("/api/v1/triggers/t", Cancellation);
        return await response.JsonAsync();
    }

    public static async Task UntilAsync(Func<Task<bool>> isSo, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Conditions.Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!await isSo())
        {
            Assert.False(limit.IsCancellationRequested, $"It did not come about within {Conditions.Patience.TotalSeconds} s: {what}.");
            await tick.WaitForNextTickAsync(Cancellation);
        }
    }

    /// <summary>Lets time go on, while nothing runs or waits for a slot, until it is so.</summary>
    public static Task AdvanceAsync(GatewayHost host, Func<Task<bool>> isSo, TimeSpan? step = null) => UntilAsync(
        async () =>
        {
            if (await isSo())
            {
                return true;
            }

            if (host.Journal.OpenCount == 0 && host.Routes.Endpoints().All(e => host.Dispatch.Samples(e.Id).All(s => s.Sample is { Queued: 0, Running: 0 })))
            {
                host.Time.Advance(step ?? TimeSpan.FromSeconds(1));
            }

            return false;
        },
        "while time goes on");
}

/// <summary>What the runner of triggers has logged.</summary>
internal sealed class TriggerLines : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyList<string> Lines => [.. _lines];

    public ILogger CreateLogger(string categoryName) => new Category(categoryName == typeof(TriggerRunner).FullName, _lines);

    public void Dispose()
    {
    }

    private sealed class Category(bool isKept, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => isKept;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (isKept)
            {
                lines.Enqueue(formatter(state, exception));
            }
        }
    }
}
