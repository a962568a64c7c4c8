using System.Runtime.InteropServices;
using Dormouse.Protocol.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Hosting;

namespace Dormouse.Server.Control;

/// <summary>What this server is and how it fares.</summary>
internal sealed class MachineApi(Doctor doctor, OptimisedModels optimised, TimeProvider time)
{
    /// <summary>Receipts that the doctor adds up unless it is asked for all.</summary>
    private static readonly TimeSpan ReceiptsOf = TimeSpan.FromDays(1);

    public async Task VersionAsync(ControlCall call) =>
        await JsonBody.WriteAsync(
            call.Http,
            new VersionInfo("dormouse", ServerVersion.Text, RuntimeInformation.FrameworkDescription, optimised.EngineKey),
            ControlJson.Default.VersionInfo);

    public async Task DoctorAsync(ControlCall call)
    {
        if (await call.FlagAsync("full", false) is { } isFull)
        {
            DateTimeOffset? since = isFull ? null : time.GetUtcNow() - ReceiptsOf;
            await JsonBody.WriteAsync(call.Http, await doctor.ExamineAsync(since, call.Cancellation), ControlJson.Default.DoctorReport);
        }
    }
}
