using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests;

/// <summary>Settings as a server shows them.</summary>
internal static class FakeSettings
{
    /// <summary>Defaults applied by the product's own rules, as a real server shows settings.</summary>
    public static RevisionSettings Applied(RevisionSettings settings)
    {
        var wishes = new RevisionWishes
        {
            Runtime = settings.Runtime,
            Memory = settings.Memory,
            Cpu = settings.Cpu,
            Concurrency = settings.Concurrency,
            MinInstances = settings.MinInstances,
            MaxInstances = settings.MaxInstances,
            IdleTimeout = settings.IdleTimeout,
            KeepAlive = settings.KeepAlive,
            Timeout = settings.Timeout,
            StartTimeout = settings.StartTimeout,
            QueueTimeout = settings.QueueTimeout,
            QueueLimit = settings.QueueLimit,
            QueueLimitBytes = settings.QueueLimitBytes,
            Environment = settings.Environment,
            Engine = settings.Engine,
            Signature = settings.Signature,
        };
        var spec = Assert.IsType<SpecOutcome.Accepted>(SpecRules.Apply(wishes, new MachineFacts(2, 8192))).Spec;
        var shown = SpecRules.Describe(spec);
        return new RevisionSettings
        {
            Runtime = shown.Runtime,
            Memory = shown.Memory,
            Cpu = shown.Cpu,
            Concurrency = shown.Concurrency,
            MinInstances = shown.MinInstances,
            MaxInstances = shown.MaxInstances,
            IdleTimeout = shown.IdleTimeout,
            KeepAlive = shown.KeepAlive,
            Timeout = shown.Timeout,
            StartTimeout = shown.StartTimeout,
            QueueTimeout = shown.QueueTimeout,
            QueueLimit = shown.QueueLimit,
            QueueLimitBytes = shown.QueueLimitBytes,
            Environment = spec.Environment,
            Engine = spec.Engine,
            Signature = shown.Signature,
        };
    }
}
