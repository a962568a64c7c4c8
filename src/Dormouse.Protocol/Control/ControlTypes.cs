using System.Collections.Immutable;

namespace Dormouse.Protocol.Control;

// Members with a default have a setter in this file: the generated reader gives a missing `init` member default(T) instead of its initialiser.

/// <summary>Body of <c>POST /api/v1/endpoints/{name}/revisions?wait=true|false</c>. Durations are text such as "60s", "500ms", "5m"; sizes such as "512MiB".</summary>
public sealed record DeployRequest
{
    /// <summary>Files already uploaded (see <c>/api/v1/blobs</c>).</summary>
    public required ImmutableArray<PackageFileInfo> Files { get; init; }

    public RevisionSettings Settings { get; set; } = new();

    /// <summary>Load the model once before it may serve. Default true.</summary>
    public bool Verify { get; set; } = true;

    /// <summary>Give the revision this share only, watch it against the old, and promote it or roll it back; null = all traffic at once.</summary>
    public CanarySettings? Canary { get; init; }

    /// <summary>Give the revision all traffic when instances of it are ready, not before; null = as soon as it is verified.</summary>
    public HandoverSettings? Handover { get; init; }

    /// <summary>Let this tag address the revision once it is ready; null = none.</summary>
    public string? Tag { get; init; }

    /// <summary>False = give the revision no traffic: its number and its tags reach it. Default true.</summary>
    public bool Traffic { get; set; } = true;
}

public sealed record PackageFileInfo(string Path, string Sha256, long SizeBytes);

/// <summary>What a user may set; null = the default (or, for <see cref="Public"/>, what the endpoint has).</summary>
public sealed record RevisionSettings
{
    /// <summary>"onnx", "python" or "pipeline".</summary>
    public string? Runtime { get; init; }

    /// <summary>Function that answers, such as "app.py::classify"; python only, null = the package's only one.</summary>
    public string? Handler { get; init; }

    /// <summary>Minor version of the interpreter, such as "3.11"; python only, as are the next three. Null = the server's own.</summary>
    public string? Python { get; init; }

    /// <summary>What is installed, one requirement each.</summary>
    public ImmutableArray<string>? Pip { get; init; }

    /// <summary>Path of a requirements file of the package; "none" = not even <c>requirements.txt</c>, which else counts when it is there.</summary>
    public string? Requirements { get; init; }

    /// <summary>The system's packages are seen; null = when nothing is installed.</summary>
    public bool? SystemPackages { get; init; }

    /// <summary>"process", "sandbox" or "container"; null = the server's default.</summary>
    public string? Isolation { get; init; }

    /// <summary>"none" (in a sandbox) or "outbound"; null = as its isolation has it: a sandbox has none.</summary>
    public string? Network { get; init; }

    public string? Memory { get; init; }

    public double? Cpu { get; init; }

    /// <summary>Cores reserved for an instance as long as it is there, 0 to <see cref="Cpu"/>.</summary>
    public double? ReserveCpu { get; init; }

    public ConcurrencySetting? Concurrency { get; init; }

    /// <summary>Rows of a run that invocations may share, 1 (none) to 256.</summary>
    public int? BatchMax { get; init; }

    /// <summary>Such as "2ms", 0 to 1 s.</summary>
    public string? BatchDelay { get; init; }

    public int? MinInstances { get; init; }

    /// <summary>Instances that are always warm, at a price of their own.</summary>
    public int? Provisioned { get; init; }

    /// <summary>Instances kept free above what is busy, while the endpoint is in use.</summary>
    public int? SpareInstances { get; init; }

    /// <summary>Share of an instance's slots that shall be busy on average, 0.1 to 1.</summary>
    public double? TargetUtilization { get; init; }

    public string? ScaleDownDelay { get; init; }

    /// <summary>Calls a second that an instance shall have on average; the load is then counted in these.</summary>
    public double? TargetRps { get; init; }

    /// <summary>Such as "60s", 6 s to 1 h.</summary>
    public string? StableWindow { get; init; }

    /// <summary>Invocations that an instance shall have at once on average, 0.01 to 1,000; null = all of its concurrency, or 100 where that is unlimited.</summary>
    public double? TargetConcurrency { get; init; }

    /// <summary>Such as "6s", 1 s to the stable window; left out = a tenth of that.</summary>
    public string? PanicWindow { get; init; }

    /// <summary>What the panic window asks for ÷ ready instances from which on it is a burst, 1.1 to 10.</summary>
    public double? PanicThreshold { get; init; }

    /// <summary>Most instances that the load may ask for at once, as a multiple of those ready.</summary>
    public double? MaxScaleUpRate { get; init; }

    /// <summary>What the load asks for falls to at least this part within 2 s; null = to nothing at once.</summary>
    public double? MaxScaleDownRate { get; init; }

    /// <summary>Instances that a new revision starts with its first traffic.</summary>
    public int? InitialInstances { get; init; }

    /// <summary>Instances that a call at zero starts.</summary>
    public int? ActivationInstances { get; init; }

    /// <summary>How long the last instance stays once nothing else keeps it.</summary>
    public string? ScaleToZeroGrace { get; init; }

    /// <summary>Windows in which instances are kept: "CRON [ZONE] for DURATION = INSTANCES" each, such as "0 8 * * MON-FRI Europe/Berlin for 10h = 2".</summary>
    public ImmutableArray<string>? Floors { get; init; }

    public int? MaxInstances { get; init; }

    public string? IdleTimeout { get; init; }

    /// <summary>How long an instance stays frozen once its keep-alive is over.</summary>
    public string? FrozenFor { get; init; }

    /// <summary>"learned" or "fixed".</summary>
    public string? KeepAlive { get; init; }

    public string? Timeout { get; init; }

    public string? StartTimeout { get; init; }

    public string? QueueTimeout { get; init; }

    public int? QueueLimit { get; init; }

    public string? QueueLimitBytes { get; init; }

    /// <summary>Asynchronous invocations that are taken from the queue at once, 1 to 1,000; null = as many as could run.</summary>
    public int? AsyncConcurrency { get; init; }

    /// <summary>Asynchronous invocations that are taken from the queue a second, 0.001 to 1,000,000; null = no bound.</summary>
    public double? AsyncRate { get; init; }

    public ImmutableSortedDictionary<string, string>? Environment { get; init; }

    /// <summary>Secrets that instances get as variables: variable → name of the secret.</summary>
    public ImmutableSortedDictionary<string, string>? Secrets { get; init; }

    /// <summary>Secrets that instances get as files: name of the file → name of the secret.</summary>
    public ImmutableSortedDictionary<string, string>? SecretFiles { get; init; }

    public ImmutableSortedDictionary<string, string>? Engine { get; init; }

    /// <summary>Who takes invocations when there is no capacity here; null = nobody.</summary>
    public OverflowSettings? Overflow { get; init; }

    public bool? Public { get; init; }

    /// <summary>The signature as YAML or JSON text (a <c>signature.yaml</c> in the package is used when this is null).</summary>
    public string? Signature { get; init; }
}

/// <summary>Another server, or any HTTP endpoint, that takes invocations when there is no capacity here.</summary>
/// <param name="Url">http or https, without user, query and fragment. Without a path: a server like this one; with one: the endpoint's own address.</param>
/// <param name="Max">Most invocations at it at once, 1 to 1,000; null = 20.</param>
/// <param name="KeyFile">Name of a file in the server's folder <c>overflow-keys</c> whose text is sent as its bearer key.</param>
/// <param name="KeyEnv">Name of a variable of the server, beginning with DORMOUSE_OVERFLOW_KEY_, whose value is.</param>
public sealed record OverflowSettings(string? Url, int? Max = null, string? KeyFile = null, string? KeyEnv = null);

/// <summary>How the overflow address of a revision stands since the server started.</summary>
/// <param name="State">"asked", "left_alone" (it failed again and again), "probed" (one invocation tries it).</param>
/// <param name="Until">When it is probed; null unless it is left alone.</param>
/// <param name="LastFailure">Why it failed last; null when it never did.</param>
public sealed record OverflowInfo(string Revision, string Host, string State, DateTimeOffset? Until, int Running, int Max, long Answered, long NotTaken, long Failed, string? LastFailure);

/// <summary><c>GET /api/v1/endpoints/{name}</c>; the list has the same objects without instances and scaling.</summary>
public sealed record EndpointInfo
{
    public required string Name { get; init; }

    public required string Id { get; init; }

    public required string Tenant { get; init; }

    /// <summary>"ready" (an instance runs), "idle" (none runs, the next call starts one), "starting", "waiting" (the machine has no room for an instance yet), "verifying", "failed", "unloaded".</summary>
    public required string Status { get; init; }

    /// <summary>Address of the inference route.</summary>
    public required string Url { get; init; }

    public bool Public { get; init; }

    /// <summary>Weight by revision, e.g. {"r3": 90, "r4": 10}.</summary>
    public required ImmutableSortedDictionary<string, int> Traffic { get; init; }

    /// <summary>Revision by tag, e.g. {"stable": "r3"}; null when it has none.</summary>
    public ImmutableSortedDictionary<string, string>? Tags { get; init; }

    public ImmutableArray<RevisionInfo> Revisions { get; set; } = [];

    public ImmutableArray<InstanceInfo> Instances { get; set; } = [];

    /// <summary>Invocations waiting for a slot now.</summary>
    public int Queued { get; init; }

    /// <summary>Asynchronous invocations; null when there are none.</summary>
    public EndpointQueueInfo? Queue { get; init; }

    /// <summary>Where successes of asynchronous invocations are reported: a destination's name or "endpoint:NAME"; null = nowhere.</summary>
    public string? OnSuccess { get; init; }

    /// <summary>The same of failures.</summary>
    public string? OnFailure { get; init; }

    /// <summary>Null when there never was one.</summary>
    public CanaryInfo? Canary { get; init; }

    /// <summary>Null when there never was one.</summary>
    public HandoverInfo? Handover { get; init; }

    /// <summary>Null when nothing is mirrored.</summary>
    public MirrorInfo? Mirror { get; init; }

    /// <summary>Overflow addresses of its revisions that something was sent to; null when nothing was.</summary>
    public ImmutableArray<OverflowInfo>? Overflow { get; init; }

    /// <summary>The last changes of the instance count, newest first.</summary>
    public ImmutableArray<ScalingInfo> Scaling { get; set; } = [];

    public required DateTimeOffset CreatedAt { get; init; }
}

public sealed record RevisionInfo
{
    /// <summary>"r3".</summary>
    public required string Name { get; init; }

    public required int Number { get; init; }

    /// <summary>"verifying", "ready", "failed".</summary>
    public required string State { get; init; }

    public string? Failure { get; init; }

    /// <summary>Settings in force, defaults applied.</summary>
    public required RevisionSettings Settings { get; init; }

    /// <summary>How its instances are isolated on this server: "process", "sandbox" or "container"; the setting of that name when there is one.</summary>
    public string? Isolation { get; init; }

    /// <summary>By what its instances' use of this server's machine is bounded: "cgroup v1", "cgroup v2" or "rlimits" (memory, not processor time); null where it has no instances, or nobody knows yet.</summary>
    public string? Limits { get; init; }

    public required ImmutableArray<PackageFileInfo> Files { get; init; }

    public required long SizeBytes { get; init; }

    /// <summary>Inputs and outputs; null while nothing has loaded the model yet.</summary>
    public Inference.ModelInterface? Interface { get; init; }

    /// <summary>Model load time as last measured, at verifying or at a first start without it, ms; null while nothing has loaded it.</summary>
    public double? LoadMs { get; init; }

    /// <summary>The definition of a pipeline as JSON text; null = it is none.</summary>
    public string? Pipeline { get; init; }

    /// <summary>Id of the Python environment that it runs in; null = the interpreter itself, or no Python.</summary>
    public string? PythonEnvironment { get; init; }

    /// <summary>An optimised file is there.</summary>
    public bool Optimised { get; init; }

    /// <summary>The process that its instances are forked from; null = nothing is known of one.</summary>
    public TemplateInfo? Template { get; init; }

    /// <summary>What that process is restored from after a restart of the server; null = nothing is known of one.</summary>
    public SnapshotInfo? Snapshot { get; init; }

    /// <summary>Per cent of invocations.</summary>
    public int Weight { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <param name="State">"starting", "ready", "refused".</param>
/// <param name="Reason">Why it was refused; null otherwise.</param>
/// <param name="MemoryBytes">Its private memory when it was ready, and that of its spare forks; null before.</param>
/// <param name="Forks">Instances forked from it so far.</param>
/// <param name="Spares">Forks of it that wait to become instances.</param>
public sealed record TemplateInfo(string State, string? Reason, long? MemoryBytes, long Forks, int Spares = 0);

/// <param name="State">"none", "waiting" (until its template idles), "kept", "refused".</param>
/// <param name="Reason">Why there is none; null otherwise.</param>
/// <param name="SizeBytes">On disk; null while there is none.</param>
/// <param name="Compared">What was compared when it was verified: "answer" of a call that was recorded, "status" where answers are never the same, "none" where no call could be repeated; null before.</param>
/// <param name="Restored">Times that the template was restored from it, since the server started.</param>
/// <param name="Failed">Times that it was to be and was not.</param>
public sealed record SnapshotInfo(string State, string? Reason, long? SizeBytes, string? Compared, long Restored, long Failed);

/// <param name="Provisioned">It counts as provisioned now.</param>
/// <param name="ProcessId">Its process on the server's machine; null where an instance has none of its own.</param>
/// <param name="ConcurrencyLimit">Runs that it may have at once now, where concurrency is "auto"; null where it is a number.</param>
public sealed record InstanceInfo(
    string Id, string Revision, string State, int Running, DateTimeOffset StartedAt, DateTimeOffset? IdleSince, long? MemoryBytes, int? ProcessId = null,
    bool Provisioned = false, int? ConcurrencyLimit = null)
{
    /// <summary>Secrets of which it has the value before, because they were set after it was started; null = none.</summary>
    public ImmutableArray<string>? OlderSecrets { get; init; }

    /// <summary>What one that is "waiting" was held for when it was asked for: "memory", "cpu", "starts_at_once" or "starts_per_second"; null = it does not wait.</summary>
    public string? WaitsFor { get; init; }
}

public sealed record ScalingInfo(DateTimeOffset At, string Revision, int From, int To, string Reason);

/// <summary><c>GET /api/v1/endpoints</c>, one page in order of name.</summary>
/// <param name="NextPageToken">Null on the last page.</param>
public sealed record EndpointList(ImmutableArray<EndpointInfo> Endpoints, string? NextPageToken = null);

/// <summary><c>GET /api/v1/endpoints/{name}/revisions</c>, newest first.</summary>
public sealed record RevisionList(ImmutableArray<RevisionInfo> Revisions);

/// <summary><c>PATCH /api/v1/endpoints/{name}</c>.</summary>
/// <param name="Public">Callers need no key.</param>
public sealed record EndpointPatch(bool? Public = null);

/// <summary><c>PUT /api/v1/endpoints/{name}/traffic</c>: weights by revision name; they must sum to 100.</summary>
/// <param name="Handover">Move the traffic when the revisions that gain some are warm; null = at once.</param>
public sealed record TrafficRequest(ImmutableSortedDictionary<string, int> Traffic, HandoverSettings? Handover = null);

/// <summary><c>PUT /api/v1/endpoints/{name}/tags/{tag}</c>.</summary>
/// <param name="Revision">"r3"; a ready one.</param>
public sealed record TagRequest(string? Revision = null);

/// <summary><c>PUT /api/v1/endpoints/{name}/mirror</c>.</summary>
/// <param name="Revision">"r4"; a ready one, which gets the copies.</param>
/// <param name="Percent">Per cent of the invocations that are copied, 1 to 100.</param>
/// <param name="Tolerance">Numbers a and b are equal when |a − b| is at most this × max(1, |a|, |b|), 0 to 1; null = 0.0001.</param>
public sealed record MirrorRequest(string? Revision, int Percent, double? Tolerance = null);

/// <summary>A mirror, and what was seen since it began or the server started.</summary>
/// <param name="Compared">Copies that were answered, like their originals: <paramref name="Same"/> + <paramref name="DifferentStatus"/> + <paramref name="DifferentBody"/> + <paramref name="Unread"/>.</param>
/// <param name="Unread">Same status, but an answer of more than 1 MiB, which is not compared.</param>
/// <param name="Unanswered">Copies that got no answer: their instance ended, or they took too long.</param>
/// <param name="Dropped">Not run: there was no room for them.</param>
/// <param name="NotMirrored">Chosen, but with a body that is too long to be kept or could not be.</param>
/// <param name="LastDifference">Where the last two answers differed; null when none did.</param>
public sealed record MirrorInfo(
    string Revision, int Percent, double Tolerance, long Compared, long Same, long DifferentStatus, long DifferentBody, long Unread, long Unanswered, long Dropped, long NotMirrored,
    double MedianMs, double P95Ms, double MirrorMedianMs, double MirrorP95Ms, string? LastDifference);

/// <summary><c>POST /api/v1/endpoints/{name}/rollback</c>: to a named revision, or to the traffic before the last change.</summary>
public sealed record RollbackRequest(string? Revision = null);

/// <summary><c>PUT /api/v1/blobs/{sha256}</c> and <c>HEAD</c>: see docs/spec/api.md for the headers.</summary>
public sealed record BlobInfo(string Sha256, long SizeBytes, bool Complete);

public sealed record CreateKeyRequest(string Name, ImmutableArray<string> Scopes);

/// <param name="Key">The whole key; shown this once, null in lists.</param>
public sealed record KeyInfo(string Id, string Name, ImmutableArray<string> Scopes, DateTimeOffset CreatedAt, string? Key = null);

public sealed record KeyList(ImmutableArray<KeyInfo> Keys);

/// <summary><c>GET /api/v1/endpoints/{name}/logs?tail=100&amp;follow=true</c>: JSON lines (application/x-ndjson) of these.</summary>
/// <param name="Invocation">Id of the invocation that wrote it, where its program says so; null = nobody knows.</param>
public sealed record LogLine(DateTimeOffset At, string Source, string Text, string? Invocation = null);

/// <summary><c>GET /api/v1/version</c>.</summary>
public sealed record VersionInfo(string Name, string Version, string Runtime, string? Engine);

/// <summary><c>GET /api/v1/doctor</c>.</summary>
public sealed record DoctorReport(bool Healthy, ImmutableArray<DoctorCheck> Checks);

/// <param name="Status">"ok", "warning" (a fall-back is used), "failed".</param>
/// <param name="Mend">The command or setting that mends it, null when nothing is to be done.</param>
public sealed record DoctorCheck(string Name, string Status, string Detail, string? Mend);

/// <summary><c>&lt;data&gt;/server.json</c>: the addresses in use, written when both ports listen, removed at a clean stop.</summary>
public sealed record ServerAddresses(string Http, string Grpc, int ProcessId, string Version);
