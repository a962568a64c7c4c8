using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Pool;

/// <summary>Which isolation an instance gets on this machine: what its revision says, else what the server's settings say, else the best that works.</summary>
/// <param name="wanted">What the server's settings say; null = nothing.</param>
internal sealed class Isolation(IsolationLevel? wanted)
{
    private volatile SandboxReport? _report;

    /// <summary>What the launcher found about sandboxes; null before the first launcher.</summary>
    public SandboxReport? Report
    {
        get => _report;
        set => _report = value;
    }

    /// <summary>For revisions that say nothing of it.</summary>
    public IsolationLevel Default => wanted ?? (_report is { Works: true } ? IsolationLevel.Sandbox : IsolationLevel.Process);

    public IsolationLevel Of(RevisionSpec spec) => spec.Isolation ?? Default;

    /// <summary>Where a revision's instances are placed.</summary>
    public Placement PlacementOf(RevisionSpec spec)
    {
        var level = Of(spec);
        return new(level, level != IsolationLevel.Process && spec.Network == NetworkAccess.Outbound);
    }

    /// <summary>Why instances cannot be placed so here, a sentence; null when they can.</summary>
    public string? Refusal(Placement placement) => (placement.Level, _report) switch
    {
        (IsolationLevel.Sandbox, { Works: false } report) => $"A sandbox cannot be made on this machine: {report.Reason}. Deploy with --isolation process to run it without one.",
        (IsolationLevel.Container, { NoContainer: { } reason }) => $"A container cannot be made on this machine: {reason}. Deploy with --isolation sandbox to run it in a sandbox.",
        (not IsolationLevel.Process, { NoNetwork: { } reason }) when placement.HasNetwork =>
            $"network is 'outbound', and a sandbox or container cannot be given a way to the network on this machine: {reason}. Deploy with --isolation process to run it with the machine's own network, or leave network out.",
        _ => null,
    };

    /// <summary>A worker kind as it is started at a place. One that must reach the network or write to a folder of the machine, which builds of environments do, is started as a process: a sandbox or container has neither.</summary>
    public static Launching.WorkerKind Place(Launching.WorkerKind kind, Placement placement, ProcessDriverOptions options) =>
        placement.Level != IsolationLevel.Process && kind.Reach is { Network: false, Writes.IsEmpty: true } ? kind.Sandboxed(options, placement) : kind;
}

/// <summary>How far an instance is kept from the machine: what its worker must have been started with.</summary>
/// <param name="HasNetwork">It is in a sandbox or container and has a way to the network. A process has the machine's network and needs none: false.</param>
internal readonly record struct Placement(IsolationLevel Level, bool HasNetwork);
