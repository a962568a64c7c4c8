namespace Dormouse.Protocol;

/// <summary>Header names of the product, and those that only travel between an instance and the gateway.</summary>
public static class DormouseHeaders
{
    public const string InvocationId = "Dormouse-Invocation-Id";

    /// <summary><c>warm | queued | cold; cause=…; rung=…</c></summary>
    public const string Start = "Dormouse-Start";

    /// <summary>Length in bytes of the JSON part of a body with binary tensors (Open Inference Protocol).</summary>
    public const string InferenceHeaderContentLength = "Inference-Header-Content-Length";

    /// <summary>Instance → gateway, removed there: the run's time in µs. Its presence says that the run ended before the first byte.</summary>
    public const string RunMicroseconds = "Dormouse-Run";

    /// <summary>Instance → gateway, removed there: CPU time of the run in µs.</summary>
    public const string CpuMicroseconds = "Dormouse-Cpu";

    /// <summary>Gateway → instance: revision number and endpoint name, for the answer's <c>model_name</c> and <c>model_version</c>.</summary>
    public const string ModelName = "Dormouse-Model-Name";

    public const string ModelVersion = "Dormouse-Model-Version";

    /// <summary>Upload protocol: where the stored part ends.</summary>
    public const string UploadOffset = "Upload-Offset";
}
