using System.Text.Json;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Deploying;

/// <summary><c>POST /api/v1/functions</c>: imports uploaded Python files in a throw-away worker and says which functions they have.</summary>
internal sealed class FunctionsApi(PackageCheck packages, ModelInspections inspections, MachineFacts machine)
{
    private const string EnginePrefix = "python-";

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    public async Task PostAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.FunctionsRequest) is not { } request)
        {
            return;
        }

        if (PackageCheck.Incomplete(request.Files) is { } incomplete)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.RequestInvalid, incomplete);
            return;
        }

        var (package, refusal) = await packages.CheckAsync(call.Tenant, request.Files, call.Cancellation);
        if (package is null)
        {
            await Problems.WriteAsync(call.Http, refusal!.Code, refusal.Detail); // Not null: one of the two is.
            return;
        }

        var wishes = new RevisionWishes { Runtime = RuntimeKind.Python.Name, Handler = request.Handler, Environment = request.Environment };
        switch (SpecRules.Apply(wishes, machine))
        {
            case SpecOutcome.Refused refused:
                await Problems.WriteAsync(call.Http, ProblemCode.SpecInvalid, string.Join(' ', refused.Errors.Select(e => e.Message)));
                break;

            case SpecOutcome.Accepted accepted when PythonFiles.Refusal(package, accepted.Spec.Handler) is { } missing:
                await Problems.WriteAsync(call.Http, ProblemCode.PackageInvalid, missing);
                break;

            case SpecOutcome.Accepted accepted:
                await AnswerAsync(call, await inspections.ListAsync(package, accepted.Spec, call.Cancellation));
                break;
        }
    }

    private static Task AnswerAsync(ControlCall call, Inspection inspection) => inspection switch
    {
        Inspection.Listed listed => JsonBody.WriteAsync(call.Http, List(listed), ControlJson.Default.FunctionList),
        Inspection.Refused refused => Problems.WriteAsync(call.Http, ProblemCode.CodeInvalid, refused.Reason),
        Inspection.Unavailable unavailable => Problems.WriteAsync(call.Http, ProblemCode.StartFailed, $"The code could not be imported: {unavailable.Reason}", Retry),
        _ => throw new InvalidOperationException("A list of functions is made, refused or unavailable."),
    };

    private static FunctionList List(Inspection.Listed listed)
    {
        // Not null: the driver has just written it.
        var inspected = JsonSerializer.Deserialize(listed.Contents, WorkerJson.Default.PythonInspected)!;
        var python = listed.EngineKey.StartsWith(EnginePrefix, StringComparison.Ordinal) ? listed.EngineKey[EnginePrefix.Length..] : listed.EngineKey;
        return new FunctionList(
            inspected.Module, inspected.App, python,
            [.. inspected.Functions.Select(f => DecoratorSettings.Read(f, inspected.Module, python))],
            listed.LoadTime.TotalMilliseconds);
    }
}
