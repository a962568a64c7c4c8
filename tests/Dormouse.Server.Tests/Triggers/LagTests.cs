using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Dormouse.Server.Tests.Gateway;

namespace Dormouse.Server.Tests.Triggers;

/// <summary>What waits in a source: told as a metric, also while nothing can be pulled, and seen by what decides how many instances there are.</summary>
public sealed class LagTests : IDisposable
{
    private readonly string _inbox = Directory.CreateTempSubdirectory("dmin").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_inbox, recursive: true);

    [Fact]
    public async Task What_lags_starts_as_many_instances_as_may_be()
    {
        await using var host = await TriggerHost.StartAsync(_inbox);
        host.Driver.HoldRuns();
        host.Add("scan", Patient() with { MaxInstances = 3 });
        for (var i = 0; i < 12; i++)
        {
            TriggerHost.Write(host, _inbox, $"{i}.txt", $"{i}");
        }

        await TriggerHost.PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox } });
        var runs = new List<FakeRun>();
        for (var i = 0; i < 3; i++)
        {
            var next = host.Driver.NextRunAsync(Cancellation).AsTask();
            await TriggerHost.UntilAsync(
                () =>
                {
                    // The runs grow older, which says that more instances are worth their start.
                    host.Time.Advance(TimeSpan.FromMilliseconds(10));
                    return Task.FromResult(next.IsCompleted);
                },
                $"run {i} is on an instance");
            runs.Add(await next);
        }

        Assert.Equal(3, runs.Select(r => r.Instance.Id).Distinct().Count());
        runs.ForEach(r => r.Release());
        for (var i = 3; i < 12; i++)
        {
            (await host.Driver.NextRunAsync(Cancellation)).Release();
        }
    }

    [Fact]
    public async Task The_metric_goes_on_while_the_queue_is_full_and_ends_with_the_trigger()
    {
        await using var host = await TriggerHost.StartAsync(_inbox, new() { ["DORMOUSE_QUEUES__LIMIT"] = "1", ["DORMOUSE_QUEUES__IN_FLIGHT"] = "1" });
        host.Driver.HoldRuns();
        host.Add("scan", Patient());
        using var lags = new Lags(host.Service<IMeterFactory>());
        for (var i = 0; i < 6; i++)
        {
            TriggerHost.Write(host, _inbox, $"{i}.txt", $"{i}");
        }

        await TriggerHost.PutAsync(host, new { kind = "folder", endpoint = "scan", source = new { path = _inbox } });
        var run = await host.Driver.NextRunAsync(Cancellation);
        // One runs, one waits, one is held; the file of the held one is still there.
        await AdvanceAsync(host, async () => (await TriggerHost.ShowAsync(host)).GetProperty("state").GetString() == "failing" && Directory.GetFiles(_inbox).Length == 4);
        TriggerHost.Write(host, _inbox, "6.txt", "6");
        await AdvanceAsync(host, () => Task.FromResult(lags.Now() == 5));
        var shown = await TriggerHost.ShowAsync(host);
        using var deleted = await host.Client.DeleteAsync("/api/v1/triggers/t", Cancellation);

        Assert.Equal(5, shown.GetProperty("lag").GetInt32());
        Assert.Null(lags.Now());
        run.Release();
        (await host.Driver.NextRunAsync(Cancellation)).Release();
    }

    /// <summary>Nothing ends for having lasted long.</summary>
    private static Core.Endpoints.RevisionSpec Patient() =>
        GatewayHost.Program() with { Timeout = TimeSpan.FromHours(24), StartTimeout = TimeSpan.FromHours(24), QueueTimeout = TimeSpan.FromHours(24) };

    /// <summary>Lets time go on though something runs.</summary>
    private static Task AdvanceAsync(GatewayHost host, Func<Task<bool>> isSo) => TriggerHost.UntilAsync(
        async () =>
        {
            if (await isSo())
            {
                return true;
            }

            host.Time.Advance(TimeSpan.FromSeconds(1));
            return false;
        },
        "while time goes on");

    /// <summary>The gauge of this server's only trigger. Servers of other tests in the same process have the same instrument, from factories of their own.</summary>
    private sealed class Lags : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentBag<long> _seen = [];

        public Lags(IMeterFactory meters)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "dormouse.trigger.lag" && instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => _seen.Add(value));
            _listener.Start();
        }

        public long? Now()
        {
            _seen.Clear();
            _listener.RecordObservableInstruments();
            return _seen.TryPeek(out var last) ? last : null;
        }

        public void Dispose() => _listener.Dispose();
    }
}
