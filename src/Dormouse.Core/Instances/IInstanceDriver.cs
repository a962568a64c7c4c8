using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Core.Secrets;

namespace Dormouse.Core.Instances;

/// <summary>
/// Starts and stops instances. Calls return at once; what happens is told to the observer, in order per instance:
/// exactly one of Ready or Failed (neither when it is stopped before), Ready once more for each thaw; after Ready at most one Lost; last of all exactly one Gone (nothing of the instance is left: no process, socket, file, cgroup).
/// </summary>
public interface IInstanceDriver : IAsyncDisposable
{
    void Start(InstanceStart start);

    /// <summary>Instances of such a revision may be started from now on: what they have in common may be made ready.</summary>
    void Expect(RevisionSpec spec)
    {
    }

    /// <summary>The endpoint is deleted and none of its instances is left: nothing is kept ready for it any more.</summary>
    void Forget(EndpointId endpoint)
    {
    }

    /// <summary>The process that instances of a revision are forked from; null = nothing is known of one.</summary>
    TemplateReport? Template(RevisionId revision) => null;

    /// <summary>What is kept on disk to restore that process from; null = nothing is known of one.</summary>
    SnapshotReport? Snapshot(RevisionId revision) => null;

    /// <summary>How instances of such a revision are isolated on this machine.</summary>
    IsolationLevel IsolationOf(RevisionSpec spec) => spec.Isolation ?? IsolationLevel.Process;

    /// <summary>By what their use of this machine is bounded, one of <see cref="LimitsLevels"/>; null = nobody knows yet.</summary>
    string? Limits => null;

    /// <summary>Why instances cannot be isolated as the revision wants it, a sentence; null when they can.</summary>
    string? IsolationRefusal(RevisionSpec spec) => null;

    /// <summary>Tries whether sandboxed instances can have a way to the network. Null: the question does not arise, there is no sandbox.</summary>
    Task<ProbeResult?> TryNetworkAsync(CancellationToken cancellationToken) => Task.FromResult<ProbeResult?>(null);

    /// <summary>Tries whether instances of Python code can be forks of a template. Null: the question does not arise.</summary>
    Task<ProbeResult?> TryTemplateAsync(CancellationToken cancellationToken) => Task.FromResult<ProbeResult?>(null);

    /// <summary>Tries whether templates can be kept on disk and restored. Null: the question does not arise.</summary>
    Task<ProbeResult?> TrySnapshotAsync(CancellationToken cancellationToken) => Task.FromResult<ProbeResult?>(null);

    /// <summary>Makes a container as an instance would be in, to find out whether that can be done; null where nobody knows.</summary>
    Task<ProbeResult?> TryContainerAsync(CancellationToken cancellationToken) => Task.FromResult<ProbeResult?>(null);

    /// <summary>
    /// Ends an instance (idle, drained, suspect or still starting): the program is killed. One that serves, and whose code has something to do before it ends, is told to end first where nobody waits for its
    /// room and nothing is wrong with it, and has some seconds. Unknown ids are ignored.
    /// </summary>
    void Stop(InstanceId instance, StopReason reason);

    /// <summary>
    /// A ready instance that is idle runs no more, and keeps its memory, until <see cref="Thaw"/>. Only when it cannot be frozen the observer is told
    /// (<see cref="IInstanceObserver.FreezeRefused"/>), and it runs on. <see cref="Stop"/> ends a frozen one as every other. Unknown ids are ignored.
    /// </summary>
    /// <param name="turn">Of two calls about one instance the one with the larger turn counts, in whichever order they come.</param>
    void Freeze(InstanceId instance, long turn);

    /// <summary>A frozen instance runs again: Ready is told once more (rung <see cref="Rung.Thaw"/>), or Lost.</summary>
    /// <param name="turn">See <see cref="Freeze"/>.</param>
    void Thaw(InstanceId instance, long turn);

    /// <summary>Starts the driver (launcher, pool). Events go to <paramref name="observer"/> from any thread. May be called again after it has failed.</summary>
    Task OpenAsync(IInstanceObserver observer, CancellationToken cancellationToken);

    /// <summary>What this driver found on the machine, for <c>doctor</c>: name, whether it works, detail.</summary>
    ImmutableArray<ProbeResult> Probes { get; }

    /// <summary>Engine version and CPU feature set of its workers: what optimised files must be made for. Null while none has said it.</summary>
    string? EngineKey => null;

    /// <summary>Measured memory of a running instance in bytes (private), or null when unknown.</summary>
    long? MemoryBytes(InstanceId instance);

    /// <summary>Process of a running instance on this machine, or null when it has none of its own or is unknown.</summary>
    int? ProcessId(InstanceId instance) => null;
}

public interface IInstanceObserver
{
    void Ready(InstanceId instance, InstanceReady ready);

    void Failed(InstanceId instance, StartFailure failure);

    void Lost(InstanceId instance, InstanceLoss loss);

    void Gone(InstanceId instance);

    /// <summary>It was to be frozen and cannot be: it runs on.</summary>
    void FreezeRefused(InstanceId instance, string reason);

    /// <summary>One line that the instance's program wrote.</summary>
    void Wrote(InstanceId instance, string line);
}

public sealed record InstanceStart
{
    public required InstanceId Instance { get; init; }

    public required TenantId Tenant { get; init; }

    public required RevisionSpec Spec { get; init; }

    public required Package Package { get; init; }

    /// <summary>Folder with the package's files.</summary>
    public required string Folder { get; init; }

    /// <summary>Values that the instance gets. Never logged, stored or shown.</summary>
    public InstanceSecrets Secrets { get; init; } = InstanceSecrets.None;

    /// <summary>Finds the optimised file's local path for an engine key (engine version and CPU features); null = load the original.</summary>
    public required Func<string, string?> OptimisedPath { get; init; }
}

/// <param name="Address">Unix socket path of the instance's HTTP server.</param>
/// <param name="Rung">Step of the start ladder taken.</param>
/// <param name="StartTime">From Start to the moment the model began to load.</param>
/// <param name="LoadTime">Model load (session creation) inside the instance.</param>
/// <param name="Interface">JSON of the protocol's <c>ModelInterface</c> as the loaded model shows it.</param>
/// <param name="UsedOptimised">False when the original file was loaded: the optimised one should be made in idle time.</param>
public sealed record InstanceReady(string Address, Rung Rung, TimeSpan StartTime, TimeSpan LoadTime, string Interface, bool UsedOptimised)
{
    /// <summary>There was an optimised file and the engine did not take it: it is to be made anew.</summary>
    public bool RefusedOptimised { get; init; }

    /// <summary>Why no better rung was taken; null = it was the best there is for such a revision.</summary>
    public RungReason? RungReason { get; init; }
}

/// <summary>Step of the start ladder (STYLE section 3).</summary>
public enum Rung
{
    /// <summary>A process was started for this instance.</summary>
    None,
    Pool,
    Fork,
    Thaw,
    Restore,
}

/// <summary>Why a start took a lower step of the ladder than it might have.</summary>
public enum RungReason
{
    /// <summary>No generic worker stood ready.</summary>
    PoolEmpty,

    /// <summary>Its revision has no template (yet): one is made beside the first instance.</summary>
    NoTemplate,

    /// <summary>Its revision's template is still being made.</summary>
    TemplateStarting,

    /// <summary>Its revision's code does not allow a template; the endpoint's description says why.</summary>
    TemplateRefused,

    /// <summary>It was forked, and the fork did not come to serve.</summary>
    ForkFailed,

    /// <summary>This server makes no templates.</summary>
    TemplatesOff,

    /// <summary>The one before could not be frozen on this machine and was stopped; <c>doctor</c> says why.</summary>
    FreezeRefused,

    /// <summary>A frozen one was to be thawed and did not come to serve.</summary>
    ThawFailed,

    /// <summary>It was to be a fork of a template restored from disk, and that did not come to be.</summary>
    RestoreFailed,

    /// <summary>It has no template now, and none can be kept on disk; the endpoint's description says why.</summary>
    SnapshotRefused,
}

/// <summary>What became of a revision's template.</summary>
public enum TemplateState
{
    /// <summary>It is being made; instances are started plainly until then.</summary>
    Starting,

    /// <summary>Instances are forks of it.</summary>
    Ready,

    /// <summary>The revision's code does not allow one.</summary>
    Refused,

    /// <summary>It is gone; another one may be made.</summary>
    Ended,
}

/// <param name="Reason">Why it was refused, in plain words; empty otherwise.</param>
/// <param name="MemoryBytes">Its private memory when it was ready, and that of its spare forks.</param>
/// <param name="Forks">Instances forked from it so far.</param>
/// <param name="Spares">Forks of it that wait to become instances.</param>
public sealed record TemplateReport(TemplateState State, string Reason, long MemoryBytes, long Forks, int Spares);

/// <summary>What became of a revision's snapshot.</summary>
public enum SnapshotState
{
    /// <summary>There is none now.</summary>
    None,

    /// <summary>One will be taken when its template idles.</summary>
    Waiting,

    /// <summary>It is verified and on disk.</summary>
    Kept,

    /// <summary>There can be none.</summary>
    Refused,
}

/// <param name="Reason">Why there is none, in plain words; empty otherwise.</param>
/// <param name="SizeBytes">On disk; 0 while there is none.</param>
/// <param name="Compared">What was compared when it was verified: "answer" (of a call that was recorded), "status" (its answers are never the same), "none" (no call could be repeated); empty before.</param>
/// <param name="Restored">Times that a template was restored from it, since the server started.</param>
/// <param name="Failed">Times that one was to be and was not.</param>
public sealed record SnapshotReport(SnapshotState State, string Reason, long SizeBytes, string Compared, long Restored, long Failed);

public enum StartFailureKind
{
    /// <summary>The model cannot be loaded; trying again gives the same.</summary>
    Model,

    /// <summary>It did not fit into its memory limit while loading.</summary>
    Memory,

    /// <summary>The program ended or could not be started.</summary>
    Crash,
}

/// <param name="Reason">Plain words for the caller, without paths or secrets.</param>
public sealed record StartFailure(StartFailureKind Kind, string Reason);

public enum InstanceLossKind
{
    Crashed,
    MemoryExceeded,

    /// <summary>The launcher ended and took its instances along.</summary>
    LauncherLost,

    /// <summary>Somebody else than the product and the memory limit killed it.</summary>
    Killed,
}

/// <param name="Detail">Exit code or signal in plain words.</param>
public sealed record InstanceLoss(InstanceLossKind Kind, string Detail);

public enum StopReason
{
    Idle,
    Retired,
    Requested,
    Evicted,
    TimedOut,
    StartTimedOut,
    Suspect,
    ServerStopping,
}

/// <param name="Works">False: a fall-back is in use, <paramref name="Detail"/> says which and how to mend it.</param>
public sealed record ProbeResult(string Name, bool Works, string Detail);
