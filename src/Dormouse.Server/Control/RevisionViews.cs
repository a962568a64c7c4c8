using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Inference;

namespace Dormouse.Server.Control;

/// <summary>From the catalogue's revision to the API's.</summary>
internal static class RevisionViews
{
    public static string Name(int number) => "r" + number.ToString(CultureInfo.InvariantCulture);

    public static RevisionInfo Info(Revision revision, Endpoint endpoint, bool isOptimised) => new()
    {
        Name = Name(revision.Id.Number),
        Number = revision.Id.Number,
        State = Words.Of(revision.State),
        Failure = revision.Failure,
        Settings = Settings(revision.Spec, endpoint.IsPublic),
        Files = [.. revision.Package.Files.Select(f => new PackageFileInfo(f.Path, f.Hash.Value, f.SizeBytes))],
        SizeBytes = revision.Package.SizeBytes,
        Interface = revision.Interface is null ? null : JsonSerializer.Deserialize(revision.Interface, ModelInterfaceJson.Default.ModelInterface),
        LoadMs = revision.LoadTime?.TotalMilliseconds,
        Optimised = isOptimised,
        Weight = endpoint.Traffic.FirstOrDefault(t => t.Revision == revision.Id.Number).Weight,
        CreatedAt = revision.CreatedAt,
    };

    public static RevisionSettings Settings(RevisionSpec spec, bool isPublic)
    {
        var wishes = SpecRules.Describe(spec);
        return new RevisionSettings
        {
            Runtime = wishes.Runtime,
            Memory = wishes.Memory,
            Cpu = wishes.Cpu,
            Concurrency = wishes.Concurrency,
            MinInstances = wishes.MinInstances,
            MaxInstances = wishes.MaxInstances,
            IdleTimeout = wishes.IdleTimeout,
            KeepAlive = wishes.KeepAlive,
            Timeout = wishes.Timeout,
            StartTimeout = wishes.StartTimeout,
            QueueTimeout = wishes.QueueTimeout,
            QueueLimit = wishes.QueueLimit,
            QueueLimitBytes = wishes.QueueLimitBytes,
            Environment = wishes.Environment,
            Engine = wishes.Engine,
            Public = isPublic,
            Signature = wishes.Signature,
        };
    }

    /// <summary>What the user asked for, as the rules take it.</summary>
    public static RevisionWishes Wishes(RevisionSettings settings, string? signatureJson) => new()
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
        Signature = signatureJson,
    };
}
