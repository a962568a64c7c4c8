using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Pipelines;

/// <summary>
/// Ids of the invocations that a run's calls are. They follow from the run, so that a call that is made again after the server was lost leaves its receipts under the same id, and
/// none of them is missed or counted twice.
/// </summary>
internal static class StepIds
{
    private const int TimeBytes = 6;

    /// <summary>A UUIDv7 with the time of the run's.</summary>
    /// <param name="key">Of the call, with those of the pipelines around it.</param>
    /// <param name="attempt">From 1.</param>
    public static InvocationId Of(InvocationId run, string key, int attempt)
    {
        Span<byte> id = stackalloc byte[16];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{run}/{key}#{attempt}")), hash);
        hash[..16].CopyTo(id);
        Span<byte> time = stackalloc byte[16];
        run.Value.TryWriteBytes(time, bigEndian: true, out _);
        time[..TimeBytes].CopyTo(id);
        id[6] = (byte)((id[6] & 0x0F) | 0x70);
        id[8] = (byte)((id[8] & 0x3F) | 0x80);
        return new InvocationId(new Guid(id, bigEndian: true));
    }
}
