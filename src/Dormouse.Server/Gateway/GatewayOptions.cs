using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Dormouse.Server.Gateway;

/// <summary>Settings of the data plane.</summary>
internal sealed class GatewayOptions
{
    public const string Section = "Gateway";

    /// <summary>Largest request body, bytes, HTTP and gRPC. Default 100 MiB, allowed 1 KiB to 16 GiB (gRPC messages at most 2 GiB).</summary>
    [Range(1024L, 16L << 30)]
    public long BodyLimitBytes { get; set; } = 100L << 20;

    /// <summary>Folder for bodies over 1 MiB that wait for a slot; each file is unlinked as soon as it is made. Default: the system's temporary folder.</summary>
    public string SpoolFolder { get; set; } = Path.GetTempPath();

    /// <summary>How long a stopping server lets running invocations finish. Default 30 s, allowed 0 to 1 h.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan ShutdownLimit { get; set; } = TimeSpan.FromSeconds(30);
}

[OptionsValidator]
internal sealed partial class GatewayOptionsValidator : IValidateOptions<GatewayOptions>;
