using System.Diagnostics.Metrics;
using System.Net;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Connections;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Tests.Fakes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Hosting;

public sealed class ConnectionBoundsTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CountingLogger<ConnectionGate> _log = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();

    public void Dispose() => _services.Dispose();

    [Theory]
    [InlineData(20_000, 9_744, 2_436)]
    [InlineData(1_048_576, 20_000, 5_000)]
    [InlineData(int.MaxValue, 20_000, 5_000)]
    [InlineData(1_024, 256, 64)]
    [InlineData(256, 64, 16)]
    [InlineData(3, 1, 1)]
    public void Callers_get_the_files_that_the_server_does_not_need(int openFiles, int total, int perAddress) =>
        Assert.Equal(new ConnectionBounds(total, perAddress), ConnectionBounds.From(Settings([]), openFiles));

    [Fact]
    public void Settings_choose_less_and_never_more_than_there_are_files_for()
    {
        var few = Settings(new() { ["DORMOUSE_SERVER__CONNECTIONS_MAX"] = "100", ["DORMOUSE_SERVER__CONNECTIONS_PER_ADDRESS_MAX"] = "7" });
        var many = Settings(new() { ["DORMOUSE_SERVER__CONNECTIONS_MAX"] = "1000000", ["DORMOUSE_SERVER__CONNECTIONS_PER_ADDRESS_MAX"] = "1000000" });

        Assert.Equal(new ConnectionBounds(100, 7), ConnectionBounds.From(few, 20_000));
        Assert.Equal(new ConnectionBounds(9_744, 9_744), ConnectionBounds.From(many, 20_000));
    }

    [Theory]
    [InlineData("Max open files            1024                 20000                files     ", 1024)]
    [InlineData("Max open files            unlimited            unlimited            files     ", int.MaxValue)]
    [InlineData("Max file locks            unlimited            unlimited            locks     ", 1024)]
    public void The_limit_of_open_files_is_read_from_the_kernel(string row, int files) =>
        Assert.Equal(files, ConnectionBounds.OpenFilesMax(["Limit                     Soft Limit           Hard Limit           Units     ", row]));

    [Fact]
    public void The_process_may_open_as_many_files_as_its_hard_limit_says()
    {
        var row = File.ReadLines("/proc/self/limits").Single(l => l.StartsWith("Max open files", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(row[4], row[3]);
    }

    [Fact]
    public void One_address_cannot_take_all_and_others_still_get_in()
    {
        var gate = Gate(total: 4, perAddress: 2);

        Assert.Equal([true, true, false], Enter(gate, "192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"));
        Assert.Equal([true, true, false], Enter(gate, "192.0.2.2", "127.0.0.1", "192.0.2.3"));
        gate.Leave(At("192.0.2.1"));
        Assert.Equal([true, false], Enter(gate, "192.0.2.1", "192.0.2.1"));
    }

    [Fact]
    public void A_network_of_one_caller_counts_as_one_address()
    {
        var gate = Gate(total: 10, perAddress: 1);

        Assert.Equal([true, false, true], Enter(gate, "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"));
    }

    [Fact]
    public void This_machine_is_bounded_in_all_only()
    {
        var gate = Gate(total: 3, perAddress: 1);

        Assert.Equal([true, true, true, false], Enter(gate, "127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.1"));
    }

    [Fact]
    public void A_flood_is_counted_whole_and_logged_once_a_minute()
    {
        var gate = Gate(total: 1, perAddress: 1);
        var counted = 0L;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Name == "dormouse.connection.refusals" && instrument.Meter.Scope == _services.GetRequiredService<IMeterFactory>())
                {
                    own.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => counted += value);
        listener.Start();

        Enter(gate, [.. Enumerable.Repeat("127.0.0.1", 101)]);
        var first = _log.Lines.Count;
        _time.Advance(TimeSpan.FromMinutes(1));
        Enter(gate, "127.0.0.1");

        Assert.Equal(101, counted);
        Assert.Equal(1, first);
        Assert.Equal(2, _log.Lines.Count);
        Assert.Contains("100 more", _log.Lines[1], StringComparison.Ordinal);
    }

    private static HostingSettings Settings(Dictionary<string, string> environment) =>
        ServerSettings.Load(new ServerOptions { DataFolder = "/nowhere" }, environment).Server;

    private static IPEndPoint At(string address) => new(IPAddress.Parse(address), 40_000);

    private static bool[] Enter(ConnectionGate gate, params string[] addresses) => [.. addresses.Select(a => gate.TryEnter(At(a)))];

    private ConnectionGate Gate(int total, int perAddress) =>
        new(new ConnectionBounds(total, perAddress), new ConnectionMetrics(_services.GetRequiredService<IMeterFactory>()), _time, _log);
}
