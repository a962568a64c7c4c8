namespace Dormouse.Protocol;

/// <summary>Header names of the product, and those that only travel between an instance and the gateway.</summary>
public static class DormouseHeaders
{
    public const string InvocationId = "Dormouse-Invocation-Id";

    /// <summary><c>warm | queued | cold; cause=…; rung=…; why=…</c></summary>
    public const string Start = "Dormouse-Start";

    /// <summary>Caller → gateway: until when the answer is of use, a duration from now or an RFC 3339 time.</summary>
    public const string Deadline = "Dormouse-Deadline";

    /// <summary>The same in seconds, as other products name it.</summary>
    public const string RequestTimeout = "X-Request-Timeout";

    /// <summary>Caller → gateway: <c>high | normal | low</c>, the order in which waiting invocations are served.</summary>
    public const string Priority = "Dormouse-Priority";

    /// <summary>Caller → gateway: the revision that is to answer, <c>r3</c>, <c>3</c> or a tag, whatever the traffic says.</summary>
    public const string Revision = "Dormouse-Revision";

    /// <summary>Caller → gateway: <c>sync | async</c>; async = accept it durably, answer 202, run it later.</summary>
    public const string Mode = "Dormouse-Mode";

    /// <summary>Caller → gateway, async: how long the invocation waits at least.</summary>
    public const string Delay = "Dormouse-Delay";

    /// <summary>Caller → gateway, async: when it has not begun by then it is not run any more.</summary>
    public const string TimeToLive = "Dormouse-Time-To-Live";

    /// <summary>Caller → gateway, async: attempts in all.</summary>
    public const string Attempts = "Dormouse-Attempts";

    /// <summary>Caller → gateway, async: invocations of one group run one after the other, in the order in which they were accepted.</summary>
    public const string Group = "Dormouse-Group";

    /// <summary>Caller → gateway, async: where the success is reported: a destination's name, <c>endpoint:NAME</c> or <c>none</c>.</summary>
    public const string OnSuccess = "Dormouse-On-Success";

    /// <summary>Caller → gateway, async: where the failure is reported.</summary>
    public const string OnFailure = "Dormouse-On-Failure";

    /// <summary>Caller → gateway, async: the same key again returns the first invocation.</summary>
    public const string IdempotencyKey = "Idempotency-Key";

    /// <summary>Gateway → instance: name of the trigger that the invocation comes from.</summary>
    public const string Trigger = "Dormouse-Trigger";

    /// <summary>Gateway → caller: the answer is of an earlier request with the same idempotency key.</summary>
    public const string Replayed = "Dormouse-Replayed";

    /// <summary>Gateway → instance: the number of this attempt of a queued invocation, from 1.</summary>
    public const string Attempt = "Dormouse-Attempt";

    /// <summary>Gateway → caller: host of the overflow address that answered.</summary>
    public const string Overflow = "Dormouse-Overflow";

    /// <summary>Server → server: those that an overflowing invocation has come through.</summary>
    public const string Hops = "Dormouse-Hops";

    /// <summary>Length in bytes of the JSON part of a body with binary tensors (Open Inference Protocol).</summary>
    public const string InferenceHeaderContentLength = "Inference-Header-Content-Length";

    /// <summary>Instance → gateway, removed there: the run's time in µs. Its presence says that the run ended before the first byte.</summary>
    public const string RunMicroseconds = "Dormouse-Run";

    /// <summary>Instance → gateway, removed there: CPU time of the run in µs.</summary>
    public const string CpuMicroseconds = "Dormouse-Cpu";

    /// <summary>
    /// Instance → gateway, removed there, only where invocations may share runs: <c>rows;wait;first</c>: rows of the whole run, µs that the invocation waited in the instance for
    /// its run, and 1 on one answer of each run.
    /// </summary>
    public const string Batch = "Dormouse-Batch";

    /// <summary>Gateway → instance: revision number and endpoint name, for the answer's <c>model_name</c> and <c>model_version</c>.</summary>
    public const string ModelName = "Dormouse-Model-Name";

    public const string ModelVersion = "Dormouse-Model-Version";

    /// <summary>Gateway → instance of a function, in a request of its own: the caller of the invocation with this id has left, its run may end.</summary>
    public const string Cancel = "Dormouse-Cancel";

    /// <summary>Upload protocol: where the stored part ends.</summary>
    public const string UploadOffset = "Upload-Offset";
}
