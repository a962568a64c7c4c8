using System.Collections.Immutable;
using Dormouse.Cli.Deploy;
using Dormouse.Protocol.Control;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <summary>What <c>dormouse.yaml</c> asks for, in the file's order.</summary>
/// <param name="Places">Takes mistakes that show only later, against the server's state.</param>
internal sealed record WantedState(ImmutableArray<WantedEndpoint> Endpoints, YamlPlaces Places)
{
    public ImmutableArray<WantedTrigger> Triggers { get; init; } = [];
}

/// <param name="Source">Path (relative ones are made absolute by the file's folder) or https address.</param>
/// <param name="Settings">What was written; null where nothing was. <see cref="RevisionSettings.Signature"/> is JSON text.</param>
/// <param name="Traffic">Null = the newest revision gets all. Without weights of 0.</param>
internal sealed record WantedEndpoint(string Name, string Source, RevisionSettings Settings, bool Verify, ImmutableSortedDictionary<string, int>? Traffic)
{
    /// <summary>The source's files; null when it is an address and still to be fetched.</summary>
    public PackageSource? Package { get; init; }

    /// <summary>Where each key stands in the file.</summary>
    public ImmutableDictionary<string, YamlNode> Nodes { get; init; } = ImmutableDictionary<string, YamlNode>.Empty;

    /// <summary>How a changed source begins; null = with all traffic. The first revision of an endpoint cannot be one.</summary>
    public CanarySettings? Canary { get; init; }

    /// <summary>Traffic moves to revisions that are warm; null = at once. The first revision of an endpoint has nobody to take over from.</summary>
    public HandoverSettings? Handover { get; init; }

    /// <summary>Where copies of the calls go; null = the file says nothing of it.</summary>
    public WantedMirror? Mirror { get; init; }

    /// <summary>Where its successes are reported; "none" = nowhere, null = the file says nothing of it.</summary>
    public string? OnSuccess { get; init; }

    /// <summary>The same of its failures.</summary>
    public string? OnFailure { get; init; }

    /// <summary>Tag of the newest revision; null = the file says nothing of tags.</summary>
    public string? Tag { get; init; }

    public string Path => "endpoints." + Name;
}

/// <param name="To">With its tolerance; null = nothing is to be mirrored.</param>
internal sealed record WantedMirror(MirrorRequest? To);
