using System.Collections.Frozen;

namespace Dormouse.Protocol.Problems;

/// <summary>
/// One row of the error catalogue (<c>docs/spec/errors.md</c> mirrors it; a test walks both). Codes never change meaning.
/// </summary>
/// <param name="Code">Stable name, snake_case.</param>
/// <param name="Status">HTTP status; <paramref name="StatusOnV2"/> where the inference protocol says otherwise.</param>
/// <param name="Retryable">Sending the same again can succeed without anybody changing anything.</param>
/// <param name="Title">Short, the same for every occurrence.</param>
/// <param name="FixedBy">Who mends it: caller, owner (of the endpoint), operator, nobody (wait).</param>
public sealed record ProblemCode(string Code, int Status, bool Retryable, string Title, string FixedBy, int? StatusOnV2 = null)
{
    public static readonly ProblemCode EndpointNotFound = new("endpoint_not_found", 404, false, "No such endpoint", "caller");
    public static readonly ProblemCode RevisionNotFound = new("revision_not_found", 404, false, "No such revision", "caller");
    public static readonly ProblemCode InvocationNotFound = new("invocation_not_found", 404, false, "No such invocation", "caller");
    public static readonly ProblemCode KeyNotFound = new("key_not_found", 404, false, "No such key", "caller");
    public static readonly ProblemCode SecretNotFound = new("secret_not_found", 404, false, "No such secret", "caller");
    public static readonly ProblemCode SecretInUse = new("secret_in_use", 409, false, "The secret is in use", "caller");
    public static readonly ProblemCode SecretUnreadable = new("secret_unreadable", 503, false, "The secret cannot be opened", "operator");
    public static readonly ProblemCode DestinationNotFound = new("destination_not_found", 404, false, "No such destination", "caller");
    public static readonly ProblemCode DeliveryNotFound = new("delivery_not_found", 404, false, "No such delivery", "caller");
    public static readonly ProblemCode TriggerNotFound = new("trigger_not_found", 404, false, "No such trigger", "caller");
    public static readonly ProblemCode TriggerPaused = new("trigger_paused", 409, true, "The trigger is paused", "owner");
    public static readonly ProblemCode BatchNotFound = new("batch_not_found", 404, false, "No such batch job", "caller");
    public static readonly ProblemCode BlobNotFound = new("blob_not_found", 404, false, "No such uploaded file", "caller");
    public static readonly ProblemCode EnvironmentNotFound = new("environment_not_found", 404, false, "No such environment", "caller");
    public static readonly ProblemCode RouteNotFound = new("route_not_found", 404, false, "No such address", "caller");
    public static readonly ProblemCode MethodNotAllowed = new("method_not_allowed", 405, false, "Method not allowed", "caller");
    public static readonly ProblemCode KeyMissing = new("key_missing", 401, false, "A key is needed", "caller");
    public static readonly ProblemCode KeyInvalid = new("key_invalid", 401, false, "The key is not valid", "caller");
    public static readonly ProblemCode ScopeMissing = new("scope_missing", 403, false, "The key lacks a scope", "caller");
    public static readonly ProblemCode RequestInvalid = new("request_invalid", 400, false, "The request is not valid", "caller");
    public static readonly ProblemCode InputInvalid = new("input_invalid", 422, false, "The input does not fit the model", "caller", StatusOnV2: 400);
    public static readonly ProblemCode NameInvalid = new("name_invalid", 422, false, "The name is not allowed", "caller");
    public static readonly ProblemCode SpecInvalid = new("spec_invalid", 422, false, "A setting is not valid", "caller");
    public static readonly ProblemCode PackageInvalid = new("package_invalid", 422, false, "The package is not valid", "caller");
    public static readonly ProblemCode ModelInvalid = new("model_invalid", 422, false, "The model cannot be loaded", "caller");
    public static readonly ProblemCode CodeInvalid = new("code_invalid", 422, false, "The code cannot be served", "caller");
    public static readonly ProblemCode EnvironmentFailed = new("environment_failed", 422, false, "The environment cannot be built", "caller");
    public static readonly ProblemCode PictureInvalid = new("picture_invalid", 422, false, "The picture cannot be used", "caller");
    public static readonly ProblemCode MediaTypeUnsupported = new("media_type_unsupported", 415, false, "The content type is not supported", "caller");
    public static readonly ProblemCode BodyTooLarge = new("body_too_large", 413, false, "The body is too large", "caller");
    public static readonly ProblemCode BodyTooSlow = new("body_too_slow", 408, true, "The body came too slowly", "caller");
    public static readonly ProblemCode BodyIncomplete = new("body_incomplete", 400, true, "The body ended early", "caller");
    public static readonly ProblemCode Conflict = new("conflict", 409, true, "It changed meanwhile", "caller");
    public static readonly ProblemCode UploadOffsetWrong = new("upload_offset_wrong", 409, true, "The upload continues elsewhere", "caller");
    public static readonly ProblemCode UploadHashWrong = new("upload_hash_wrong", 422, true, "The upload's checksum differs", "caller");
    public static readonly ProblemCode StorageFull = new("storage_full", 507, true, "The disk is full", "operator");
    public static readonly ProblemCode NotSupported = new("not_supported", 501, false, "Not supported", "nobody");
    public static readonly ProblemCode OutputNotJson = new("output_not_json", 400, false, "The output cannot be written as JSON", "caller");
    public static readonly ProblemCode ConcurrencyLimitReached = new("concurrency_limit_reached", 429, true, "Slots and queue are full", "nobody");
    public static readonly ProblemCode QueueTimeout = new("queue_timeout", 503, true, "Waited too long for a slot", "nobody");
    public static readonly ProblemCode DeadlineUnreachable = new("deadline_unreachable", 504, true, "The caller's deadline cannot be kept", "caller");
    public static readonly ProblemCode ColdStartTimeout = new("cold_start_timeout", 503, true, "No instance became ready in time", "owner");
    public static readonly ProblemCode StartFailed = new("start_failed", 503, true, "Instances fail to start", "owner");
    public static readonly ProblemCode CapacityExhausted = new("capacity_exhausted", 503, true, "The machine has no room", "operator");
    public static readonly ProblemCode EndpointUnloaded = new("endpoint_unloaded", 503, false, "The endpoint is unloaded", "owner");
    public static readonly ProblemCode EndpointNotReady = new("endpoint_not_ready", 503, true, "The endpoint has no ready revision", "owner");
    public static readonly ProblemCode ServerStopping = new("server_stopping", 503, true, "The server is stopping", "nobody");
    public static readonly ProblemCode WorkerCrashed = new("worker_crashed", 502, true, "The instance ended during the run", "owner");
    public static readonly ProblemCode MemoryExceeded = new("memory_exceeded", 502, false, "The run exceeded its memory limit", "owner");
    public static readonly ProblemCode DeadlineExceeded = new("deadline_exceeded", 504, true, "The run exceeded its time limit", "owner");
    public static readonly ProblemCode OverflowFailed = new("overflow_failed", 502, true, "The overflow address gave no answer", "owner");
    public static readonly ProblemCode OverflowLoop = new("overflow_loop", 508, false, "The overflow addresses form a loop", "owner");
    public static readonly ProblemCode StepRejected = new("step_rejected", 422, false, "A step of the pipeline cannot be run", "caller");
    public static readonly ProblemCode StepFailed = new("step_failed", 502, true, "A step of the pipeline failed", "owner");
    public static readonly ProblemCode RunFailed = new("run_failed", 500, false, "The model failed to run", "owner");
    public static readonly ProblemCode LedgerUnavailable = new("ledger_unavailable", 503, true, "Receipts cannot be written", "operator");
    public static readonly ProblemCode QueueFull = new("queue_full", 429, true, "The endpoint's queue is full", "nobody");
    public static readonly ProblemCode StoreUnavailable = new("store_unavailable", 503, true, "The database does not answer", "operator");
    public static readonly ProblemCode BlobsUnavailable = new("blobs_unavailable", 503, true, "The place for files cannot be used", "operator");
    public static readonly ProblemCode QueueUnavailable = new("queue_unavailable", 503, true, "Nothing can be queued now", "operator");
    public static readonly ProblemCode IdempotencyKeyReused = new("idempotency_key_reused", 422, false, "The idempotency key belongs to another invocation", "caller");
    public static readonly ProblemCode ResultNotReady = new("result_not_ready", 409, true, "The invocation has not ended", "nobody");
    public static readonly ProblemCode ResultMissing = new("result_missing", 410, false, "The invocation ended without an answer", "caller");
    public static readonly ProblemCode AnswerTooLarge = new("answer_too_large", 502, false, "The answer is too large to be kept", "owner");
    public static readonly ProblemCode Internal = new("internal", 500, true, "Something went wrong", "operator");

    /// <summary>Every row, by code.</summary>
    public static readonly FrozenDictionary<string, ProblemCode> All = new[]
    {
        EndpointNotFound, RevisionNotFound, InvocationNotFound, KeyNotFound, DestinationNotFound, DeliveryNotFound, TriggerNotFound, TriggerPaused, BatchNotFound, BlobNotFound, EnvironmentNotFound, RouteNotFound, MethodNotAllowed, KeyMissing, KeyInvalid, ScopeMissing,
        RequestInvalid, InputInvalid, NameInvalid, SpecInvalid, PackageInvalid, ModelInvalid, CodeInvalid, EnvironmentFailed, PictureInvalid, MediaTypeUnsupported, BodyTooLarge, BodyTooSlow, BodyIncomplete,
        Conflict, UploadOffsetWrong, UploadHashWrong, StorageFull, NotSupported, OutputNotJson, ConcurrencyLimitReached, QueueTimeout, DeadlineUnreachable, ColdStartTimeout,
        StartFailed, CapacityExhausted, EndpointUnloaded, EndpointNotReady, ServerStopping, WorkerCrashed, MemoryExceeded, DeadlineExceeded, OverflowFailed, OverflowLoop, RunFailed, LedgerUnavailable, StoreUnavailable, BlobsUnavailable, QueueFull,
        QueueUnavailable, IdempotencyKeyReused, ResultNotReady, ResultMissing, AnswerTooLarge, Internal,
        SecretNotFound, SecretInUse, SecretUnreadable,
        StepRejected, StepFailed,
    }.ToFrozenDictionary(p => p.Code, StringComparer.Ordinal);

    /// <summary>Stable <c>type</c> URI of the problem document.</summary>
    public string Type => "urn:dormouse:problem:" + Code;
}
