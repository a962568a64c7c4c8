using Dormouse.Core.Instances;
using Dormouse.Server.Hosting.Settings;

namespace Dormouse.Server.Gateway;

/// <summary>What the data plane and the dispatch below it are told.</summary>
internal sealed record GatewaySettings
{
    /// <summary>Largest request body, bytes, HTTP and gRPC (where a message is at most 2 GiB − 1).</summary>
    public long BodyLimitBytes { get; init; } = 100L << 20;

    /// <summary>Folder for bodies over 1 MiB that wait for a slot; each file is unlinked as soon as it is made.</summary>
    public string SpoolFolder { get; init; } = Path.GetTempPath();

    /// <summary>How long a stopping server lets running invocations finish.</summary>
    public TimeSpan ShutdownLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What all instances together may use.</summary>
    public required MachineLimits Limits { get; init; }

    public static GatewaySettings From(ServerSettings settings) => new()
    {
        BodyLimitBytes = settings.Server.BodyLimitBytes,
        SpoolFolder = settings.Server.SpoolFolder,
        ShutdownLimit = settings.Server.ShutdownTimeout,
        Limits = settings.Machine.Limits,
    };
}
