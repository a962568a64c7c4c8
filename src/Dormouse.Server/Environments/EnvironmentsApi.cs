using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Environments;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Deploying;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Environments;

/// <summary><c>/api/v1/environments</c>: those that there are, those that a package needs, and how a build goes.</summary>
internal sealed class EnvironmentsApi(EnvironmentFolders folders, EnvironmentBuilds builds, EnvironmentsOfRevisions revisions, FunctionNeeds needs, TimeProvider time)
{
    private const string Ready = "ready";

    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(30);

    /// <summary>Begins to build what the functions of uploaded files need, and says what that is.</summary>
    public async Task PostAsync(ControlCall call)
    {
        if (await needs.ReadAsync(call) is not { } wanted)
        {
            return;
        }

        var plans = wanted.Groups.Select(g => g.Plan).OfType<EnvironmentPlan>().DistinctBy(p => p.Id).ToArray();
        var answers = plans.Select(plan => builds.Begin(plan) is { } run ? Info(run, []) : Info(plan.Id, [])).OfType<EnvironmentInfo>();
        await JsonBody.WriteAsync(call.Http, new EnvironmentList([.. answers]), ControlJson.Default.EnvironmentList);
    }

    /// <summary>Those that revisions of the tenant use; for whoever owns the machine all.</summary>
    public async Task ListAsync(ControlCall call)
    {
        var users = await UsersAsync(call);
        var all = folders.All().Where(id => call.Tenant == TenantId.Default || users.Contains(id)).Select(id => Info(id, [.. users[id]])).OfType<EnvironmentInfo>();
        var building = call.Tenant == TenantId.Default ? builds.Running().Select(r => Info(r, [.. users[r.Plan.Id]])) : [];
        await JsonBody.WriteAsync(call.Http, new EnvironmentList([.. building, .. all.Where(i => i.State == Ready)]), ControlJson.Default.EnvironmentList);
    }

    /// <summary>One, with lines of its build; with <c>wait</c> the answer comes when there is a line more, or the build has ended.</summary>
    public async Task GetAsync(ControlCall call)
    {
        if (await call.NumberAsync("after", 0, 0, BuildLog.LinesMax + 1) is not { } after || await call.NumberAsync("wait", 0, 0, (int)WaitMax.TotalSeconds) is not { } wait)
        {
            return;
        }

        if (Id(call) is not { } id)
        {
            await NotFoundAsync(call);
            return;
        }

        if (wait > 0 && builds.Find(id) is { } run)
        {
            await WaitAsync(run, after, TimeSpan.FromSeconds(wait), call.Cancellation);
        }

        var info = !folders.IsReady(id) && builds.Find(id) is { } found ? Info(found, []) : Info(id, [.. (await UsersAsync(call))[id]]);
        if (info is null)
        {
            await NotFoundAsync(call);
            return;
        }

        var lines = builds.Find(id) is { } known && info.State != Ready ? known.Log.Lines() : folders.ReadLog(id);
        await JsonBody.WriteAsync(call.Http, info with { Log = [.. lines.Skip(after)], Next = Math.Max(after, lines.Length) }, ControlJson.Default.EnvironmentInfo);
    }

    public async Task DeleteAsync(ControlCall call)
    {
        if (Id(call) is not { } id || !folders.IsReady(id))
        {
            await NotFoundAsync(call);
            return;
        }

        var users = (await revisions.UsersAsync(call.Cancellation)).Where(u => u.Environment == id).ToArray();
        if (users.Length > 0)
        {
            var own = users.Where(u => u.Tenant == call.Tenant).Select(u => $"{u.Endpoint} r{u.Revision}").ToArray();
            await Problems.WriteAsync(
                call.Http, ProblemCode.Conflict, $"The environment is used by {(own.Length > 0 ? string.Join(", ", own.Take(10)) : "another tenant")}. Delete the endpoint first; environments that nobody uses go by themselves.");
        }
        else if (builds.TryDelete(id))
        {
            call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await Problems.WriteAsync(call.Http, ProblemCode.Conflict, "The environment is being built.");
        }
    }

    private async Task WaitAsync(EnvironmentRun run, int after, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(limit, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            await run.Log.WaitAsync(after, ending.Token);
            if (run.Log.Lines().Length <= after)
            {
                // The log is closed a moment before the outcome is there.
                await run.Outcome.WaitAsync(ending.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nothing new in that time: the answer says so.
        }
    }

    private static EnvironmentId? Id(ControlCall call) => EnvironmentId.IsValid(call.Route("id")) ? new EnvironmentId(call.Route("id")) : null;

    private static Task NotFoundAsync(ControlCall call) =>
        Problems.WriteAsync(call.Http, ProblemCode.EnvironmentNotFound, $"There is no environment '{ShownText.Of(call.Route("id"))}'. 'dormouse environment list' shows those that there are.");

    private async Task<ILookup<EnvironmentId, string>> UsersAsync(ControlCall call) =>
        (await revisions.UsersAsync(call.Cancellation)).Where(u => u.Tenant == call.Tenant).ToLookup(u => u.Environment, u => $"{u.Endpoint} r{u.Revision}");

    private static EnvironmentInfo Info(EnvironmentRun run, ImmutableArray<string> users)
    {
        var failed = run.Failure;
        return new EnvironmentInfo
        {
            Id = run.Plan.Id.Value,
            State = failed is not null ? "failed" : "building",
            Python = run.Plan.Python,
            SystemPackages = run.Plan.SystemPackages,
            Requirements = run.Plan.Text.Lines,
            UsedBy = users,
            Failure = failed?.Reason,
        };
    }

    /// <summary>A whole one; null when it is none.</summary>
    private EnvironmentInfo? Info(EnvironmentId id, ImmutableArray<string> users) => folders.Read(id) is { } built
        ? new EnvironmentInfo
        {
            Id = id.Value,
            State = Ready,
            Python = built.Python,
            SystemPackages = built.SystemPackages,
            Requirements = built.Requirements,
            Packages = built.Packages,
            Builder = built.Builder,
            SizeBytes = built.SizeBytes,
            BuiltAt = built.BuiltAt,
            BuildSeconds = built.Seconds,
            UsedBy = users,
        }
        : null;
}
