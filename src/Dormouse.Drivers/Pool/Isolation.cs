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

    /// <summary>Why instances of a level cannot be started here, a sentence; null when they can.</summary>
    public string? Refusal(IsolationLevel level) => level == IsolationLevel.Sandbox && _report is { Works: false } report
        ? $"A sandbox cannot be made on this machine: {report.Reason}. Deploy with --isolation process to run it without one."
        : null;

    /// <summary>A worker kind as it is started at a level. One that must reach the network or write to a folder of the machine, which builds of environments do, is started as a process: a sandbox has neither.</summary>
    public static Launching.WorkerKind Place(Launching.WorkerKind kind, IsolationLevel level, ProcessDriverOptions options) =>
        level == IsolationLevel.Sandbox && kind.Reach is { Network: false, Writes.IsEmpty: true } ? kind.Sandboxed(options) : kind;
}
