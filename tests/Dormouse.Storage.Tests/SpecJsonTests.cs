using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Core.Overflow;
using Dormouse.Core.Pipelines;
using Dormouse.Storage.Sql;

namespace Dormouse.Storage.Tests;

public sealed class SpecJsonTests
{
    private static readonly RevisionSpec Unusual = new()
    {
        SchemaVersion = 2,
        Runtime = "python",
        Handler = "app.py::classify",
        Python = "3.11",
        Pip = ["numpy==1.26.4", "six"],
        Requirements = "needs.txt",
        SystemPackages = false,
        PythonEnvironment = new EnvironmentId(new string('a', EnvironmentId.Length)),
        Isolation = IsolationLevel.Sandbox,
        Network = NetworkAccess.Outbound,
        MemoryMib = 77,
        Cpu = 1.5,
        ReserveCpu = 0.25,
        IsConcurrencyUnlimited = true,
        TargetConcurrency = 12.5,
        Concurrency = 3,
        IsConcurrencyAuto = true,
        BatchMax = 4,
        BatchDelay = TimeSpan.FromMilliseconds(2),
        Threads = 4,
        MinInstances = 1,
        Provisioned = 2,
        SpareInstances = 3,
        TargetUtilization = 0.7,
        ScaleDownDelay = TimeSpan.FromSeconds(30),
        TargetRps = 12.5,
        StableWindow = TimeSpan.FromSeconds(90),
        PanicWindow = TimeSpan.FromSeconds(5),
        PanicThreshold = 3,
        MaxScaleUpRate = 10,
        MaxScaleDownRate = 1.5,
        InitialInstances = 4,
        ActivationInstances = 5,
        ScaleToZeroGrace = TimeSpan.FromSeconds(45),
        Floors = [new ScheduledFloor("0 8 * * MON-FRI", "Europe/Berlin", TimeSpan.FromHours(10), 4), new ScheduledFloor("@daily", "UTC", TimeSpan.FromMinutes(90), 1)],
        MaxInstances = 9,
        IdleTimeout = TimeSpan.FromMilliseconds(1),
        FrozenFor = TimeSpan.FromMinutes(7),
        KeepAlive = KeepAliveMode.Learned,
        Timeout = TimeSpan.FromHours(24),
        StartTimeout = TimeSpan.FromSeconds(5),
        QueueTimeout = TimeSpan.FromSeconds(6),
        QueueLimit = 7,
        QueueLimitBytes = 8,
        AsyncConcurrency = 9,
        AsyncRate = 0.5,
        Environment = ImmutableSortedDictionary<string, string>.Empty.Add("A", "1"),
        Secrets = ImmutableSortedDictionary<string, string>.Empty.Add("TOKEN", "token"),
        SecretFiles = ImmutableSortedDictionary<string, string>.Empty.Add("key.pem", "tls-key"),
        Engine = ImmutableSortedDictionary<string, string>.Empty.Add("b", "2"),
        Overflow = new OverflowPolicy("https://other", 3, "file", "VARIABLE"),
        Signature = "{\"input\":\"picture\"}",
        Pipeline = PipelineDefinition.Stored("""{"steps":{"read":{"endpoint":"digits"}}}"""),
    };

    [Fact]
    public void Every_member_survives()
    {
        // A member that the sample leaves at its default would not show that it is stored: a new one must be added here and to the stored form.
        var defaults = new RevisionSpec { Runtime = "onnx" };
        Assert.All(
            typeof(RevisionSpec).GetProperties().Where(p => p.CanWrite),
            p => Assert.NotEqual(p.GetValue(defaults), p.GetValue(Unusual)));

        var back = SpecJson.Read(SpecJson.Write(Unusual));

        Assert.Equal(JsonSerializer.Serialize(Unusual), JsonSerializer.Serialize(back));
    }

    [Fact]
    public void Missing_members_get_their_defaults_and_unknown_ones_are_ignored()
    {
        var spec = SpecJson.Read("""{"runtime":"onnx","of_a_later_version":[1,2]}""");

        Assert.Equal(JsonSerializer.Serialize(new RevisionSpec { Runtime = "onnx" }), JsonSerializer.Serialize(spec));
    }

    [Fact]
    public void Members_are_written_in_snake_case()
    {
        Assert.Contains("\"queue_limit_bytes\":8", SpecJson.Write(Unusual), StringComparison.Ordinal);
    }
}
