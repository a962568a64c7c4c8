using System.Globalization;
using System.Net.Http.Headers;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Overflow;

/// <summary>What HTTP and gRPC invocations have in common on their way to an overflow address and back.</summary>
internal static class OverflowMessage
{
    /// <summary>Statuses that say that the address had no room and ran nothing.</summary>
    private static readonly int[] NoRoom = [StatusCodes.Status429TooManyRequests, StatusCodes.Status503ServiceUnavailable, StatusCodes.Status508LoopDetected];

    /// <summary>To an inference they say that the address is set up wrongly; another program's own answers may have them.</summary>
    private static readonly int[] NotServed =
        [StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status404NotFound, StatusCodes.Status405MethodNotAllowed];

    /// <summary>Adds the address's own key, the servers that the invocation came through and what is left of its caller's deadline.</summary>
    public static void Sign(HttpRequestHeaders headers, OverflowRun run)
    {
        headers.Authorization = run.Key is { } key ? new AuthenticationHeaderValue("Bearer", key) : null;
        headers.TryAddWithoutValidation(DormouseHeaders.Hops, run.Hops);
        if (run.Left is { } left)
        {
            headers.TryAddWithoutValidation(DormouseHeaders.Deadline, Durations.Format(TimeSpan.FromMilliseconds(Math.Max(1, Math.Floor(left.TotalMilliseconds)))));
        }
    }

    /// <summary>The answer's status says that nothing ran there; then the run says why.</summary>
    public static bool IsNotTaken(int status, bool isInference, OverflowRun run)
    {
        if (!NoRoom.Contains(status) && !(isInference && NotServed.Contains(status)))
        {
            return false;
        }

        run.Why = $"it answered {status.ToString(CultureInfo.InvariantCulture)}";
        return true;
    }
}
