using System.Runtime.InteropServices;
using Dormouse.Protocol.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Hosting;

namespace Dormouse.Server.Control;

/// <summary>What this server is and how it fares.</summary>
internal sealed class MachineApi(Doctor doctor, OptimisedModels optimised)
{
    public async Task VersionAsync(ControlCall call) =>
        await JsonBody.WriteAsync(
            call.Http,
            new VersionInfo("dormouse", ServerVersion.Text, RuntimeInformation.FrameworkDescription, optimised.EngineKey),
            ControlJson.Default.VersionInfo);

    public async Task DoctorAsync(ControlCall call) =>
        await JsonBody.WriteAsync(call.Http, await doctor.ExamineAsync(call.Cancellation), ControlJson.Default.DoctorReport);
}
