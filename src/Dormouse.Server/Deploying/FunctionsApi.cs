using System.Text.Json;
using Dormouse.Core.Packages;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Launching;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Environments;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Deploying;

/// <summary><c>POST /api/v1/functions</c>: imports uploaded Python files in a throw-away worker, in the environments that their functions need, and says which functions they have.</summary>
internal sealed class FunctionsApi(FunctionNeeds needs, EnvironmentBuilds environments, ModelInspections inspections)
{
    private const string EnginePrefix = "python-";

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    public async Task PostAsync(ControlCall call)
    {
        if (await needs.ReadAsync(call) is not { } wanted)
        {
            return;
        }

        FunctionList? answer = null;
        foreach (var group in wanted.Groups)
        {
            if (group.Plan is { } plan && await environments.EnsureAsync(plan, call.Cancellation) is { } failed)
            {
                await Problems.WriteAsync(call.Http, failed.IsFault ? ProblemCode.StartFailed : ProblemCode.EnvironmentFailed, $"The environment could not be built: {failed.Reason}", failed.IsFault ? Retry : null);
                return;
            }

            var spec = wanted.Spec with { Python = group.Needs.Python, PythonEnvironment = group.Plan?.Id };
            switch (await inspections.ListAsync(call.Tenant, wanted.Package, spec, call.Cancellation))
            {
                case Inspection.Listed listed:
                    answer = Joined(answer, List(listed, group));
                    break;

                case Inspection.Refused refused:
                    await Problems.WriteAsync(call.Http, ProblemCode.CodeInvalid, refused.Reason);
                    return;

                case Inspection.Unavailable unavailable:
                    await Problems.WriteAsync(call.Http, ProblemCode.StartFailed, $"The code could not be imported: {unavailable.Reason}", Retry);
                    return;
            }
        }

        await JsonBody.WriteAsync(call.Http, answer ?? throw new InvalidOperationException("A package has at least one group of functions."), ControlJson.Default.FunctionList);
    }

    private static FunctionList Joined(FunctionList? first, FunctionList next) =>
        first is null ? next : first with { Functions = first.Functions.AddRange(next.Functions), LoadMs = first.LoadMs + next.LoadMs };

    private static FunctionList List(Inspection.Listed listed, FunctionGroup group)
    {
        // Not null: the driver has just written it.
        var inspected = JsonSerializer.Deserialize(listed.Contents, WorkerJson.Default.PythonInspected)!;
        var python = listed.EngineKey.StartsWith(EnginePrefix, StringComparison.Ordinal) ? listed.EngineKey[EnginePrefix.Length..] : listed.EngineKey;
        return new FunctionList(
            inspected.Module, inspected.App, python,
            [.. inspected.Functions.Where(f => group.Has(f.Name)).Select(f => DecoratorSettings.Read(f, inspected.Module))],
            listed.LoadTime.TotalMilliseconds);
    }
}
