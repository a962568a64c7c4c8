using System.Globalization;
using Dormouse.Core;
using Dormouse.Core.Batches;
using Dormouse.Core.Packages;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Usage;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Batches;

/// <summary><c>/api/v1/batches</c>.</summary>
internal sealed class BatchesApi(
    IBatchStore store, BatchLoop loop, BatchInputs inputs, IBlobStore blobs, InvocationParts parts, QueueLoop queue, EndpointNames names, PriceBook prices, BatchesSettings settings, ResultsFolder results, IIdSource ids)
{
    private const int ListMax = 1_000;

    private const int NameLengthMax = 255;

    public async Task CreateAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.BatchRequest) is not { } request)
        {
            return;
        }

        if (parts.Routes.Find(call.Tenant, request.Endpoint) is not { } route)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.EndpointNotFound, $"There is no endpoint '{UrlText.Shown(request.Endpoint)}'.");
            return;
        }

        var concurrency = request.Concurrency ?? FeedRule.ConcurrencyDefault;
        if (concurrency is < 1 or > FeedRule.ConcurrencyMax)
        {
            await call.RefuseAsync(string.Create(CultureInfo.InvariantCulture, $"'concurrency' is {concurrency}; allowed is a whole number from 1 to {FeedRule.ConcurrencyMax}."));
            return;
        }

        if (await BudgetAsync(call, request.MaxFailures) is not (true, var budget) || await InputAsync(call, request.Input) is not { } input || await VersionAsync(call, route, request.Revision) is not (true, var version))
        {
            return;
        }

        if ((await store.ActiveAsync(parts.Server.Id, call.Cancellation)).Length >= settings.Running)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.QueueFull, $"{settings.Running} batch jobs run on this server, as many as may (batches.running). Wait for one to end.", TimeSpan.FromMinutes(1));
            return;
        }

        var job = new BatchJob
        {
            Id = new BatchId(ids.NewId()),
            Tenant = call.Tenant,
            Endpoint = route.Endpoint.Id,
            EndpointName = route.Endpoint.Name,
            Version = version,
            Owner = parts.Server.Id,
            Input = input,
            Concurrency = concurrency,
            Budget = budget ?? FailureBudget.Default,
            CreatedAt = parts.Time.GetUtcNow(),
        };
        await store.AddAsync(job, call.Cancellation);
        loop.Changed(job);
        await ShowAsync(call, job, StatusCodes.Status201Created);
    }

    public async Task ListAsync(ControlCall call)
    {
        if (await call.NumberAsync("limit", 100, 1, ListMax) is not { } limit || await names.ResolveAsync(call, call.Query("endpoint")) is not { } filter)
        {
            return;
        }

        if (await call.WordAsync<BatchState>("state", Words.Of) is not (true, var state) || await call.PositionAsync() is not (true, var before))
        {
            return;
        }

        var found = await store.ListAsync(new BatchFilter(call.Tenant, filter.Endpoint, state, before, limit + 1), call.Cancellation);
        var page = found.Length > limit ? found[..limit] : found;
        await JsonBody.WriteAsync(
            call.Http,
            new BatchList([.. page.Select(l => BatchViews.Info(l.Job, prices.Currency))], found.Length > limit ? page[^1].Position.ToString(CultureInfo.InvariantCulture) : null),
            ControlJson.Default.BatchList);
    }

    public async Task GetAsync(ControlCall call)
    {
        if (await FindAsync(call) is { } job)
        {
            await ShowAsync(call, job);
        }
    }

    public Task PauseAsync(ControlCall call) => ChangeAsync(call, j => j.Paused(), j => j.State == BatchState.Paused);

    public async Task ResumeAsync(ControlCall call)
    {
        FailureBudget? budget = null;
        if (call.Http.Request.ContentLength is not (null or 0))
        {
            if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.ResumeBatchRequest) is not { } request || await BudgetAsync(call, request.MaxFailures) is not (true, var wanted))
            {
                return;
            }

            budget = wanted;
        }

        var now = parts.Time.GetUtcNow();
        await ChangeAsync(call, j => j.Resumed(budget, now), j => j.State is BatchState.Running or BatchState.Done);
    }

    public async Task CancelAsync(ControlCall call)
    {
        var now = parts.Time.GetUtcNow();
        if (await FindAsync(call) is not { } job || await store.ChangeAsync(job.Id, j => j.Cancelled(now), call.Cancellation) is not { } changed)
        {
            return;
        }

        if (changed.State != BatchState.Cancelled)
        {
            await RefuseAsync(call, changed);
            return;
        }

        foreach (var item in await store.CancelWindowAsync(job.Id, now, call.Cancellation))
        {
            queue.Cancelled(item);
        }

        loop.Changed(changed);
        await ShowAsync(call, changed);
    }

    public async Task DeleteAsync(ControlCall call)
    {
        if (await FindAsync(call) is not { } job || await OtherServerAsync(call, job))
        {
            return;
        }

        if (await loop.RemoveAsync(job, call.Cancellation))
        {
            call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"The job is {Words.Of(job.State)} and {job.InWindow} of its items have not ended. Cancel it first, and wait until they have.");
    }

    public async Task ResultsAsync(ControlCall call)
    {
        var from = 0L;
        if (call.Query("from") is { } text && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out from))
        {
            await call.RefuseAsync($"'from' is '{UrlText.Shown(text)}'; allowed is a number of bytes.");
            return;
        }

        var format = call.Query("format") ?? "jsonl";
        if (format is not ("jsonl" or "csv") || (format == "csv" && from > 0))
        {
            await call.RefuseAsync(from > 0 ? "'from' cannot be used with format=csv." : $"'format' is '{UrlText.Shown(format)}'; allowed is jsonl or csv.");
            return;
        }

        if (await FindAsync(call) is not { } job || await OtherServerAsync(call, job))
        {
            return;
        }

        if (from > job.ResultsBytes)
        {
            await call.RefuseAsync($"'from' is {from}; the results have {job.ResultsBytes} bytes.");
            return;
        }

        await BatchResults.WriteAsync(call, ResultsFile.PathOf(results.Path, job.Id), from, job.ResultsBytes, isCsv: format == "csv");
    }

    private async Task<BatchInput?> InputAsync(ControlCall call, BatchInputRequest input)
    {
        BatchFormat? format = null;
        if (input.Format is { } word)
        {
            foreach (var known in Enum.GetValues<BatchFormat>())
            {
                format = Words.Of(known) == word ? known : format;
            }

            if (format is null)
            {
                await call.RefuseAsync($"'input.format' is '{UrlText.Shown(word)}'; allowed is lines, csv, parquet or files.");
                return null;
            }
        }

        if ((input.Blob is null) == (input.Path is null))
        {
            await call.RefuseAsync("'input' needs either 'blob', the hash of an uploaded file, or 'path', a file or folder of the server or s3://bucket/key.");
            return null;
        }

        if (input.Path is { } path)
        {
            var (described, refusal) = await inputs.DescribeAsync(path, format, call.Cancellation);
            if (described is null)
            {
                await call.RefuseAsync(refusal);
            }

            return described;
        }

        var name = input.Name is { Length: > 0 and <= NameLengthMax } given ? given : "input";
        if ((format ?? BatchInputs.OfName(name)) is not { } wanted)
        {
            await call.RefuseAsync(BatchInputs.UnknownFormat(name));
            return null;
        }

        if (!BlobHash.IsValid(input.Blob!) || await blobs.StatusAsync(call.Tenant, new BlobHash(input.Blob!), call.Cancellation) is not { IsComplete: true } status)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.BlobNotFound, $"There is no uploaded file '{UrlText.Shown(input.Blob!)}'. Send it first with PUT /api/v1/blobs/{{sha256}}.");
            return null;
        }

        return new BatchInput(BatchPlace.Uploaded, input.Blob!, null, name, wanted, status.SizeBytes);
    }

    /// <summary>The number of the revision that every item runs on; null = by traffic.</summary>
    private async Task<(bool IsFound, string? Version)> VersionAsync(ControlCall call, Routing.EndpointRoute route, string? revision)
    {
        if (revision == "traffic")
        {
            return (true, null);
        }

        if (revision is not null)
        {
            if (await parts.Resolver.FindAsync(route, revision, call.Cancellation) is { } named)
            {
                return (true, named.Id.Number.ToString(CultureInfo.InvariantCulture));
            }

            await Problems.WriteAsync(call.Http, ProblemCode.RevisionNotFound, $"Endpoint '{route.Endpoint.Name}' has no ready revision '{UrlText.Shown(revision)}'.");
            return (false, null);
        }

        if (route.Endpoint.Traffic.IsEmpty || route.Revisions.IsEmpty)
        {
            var (_, problem) = await parts.Resolver.NoneAsync(route.Endpoint, call.Cancellation);
            await Problems.WriteAsync(call.Http, problem!.Code, problem.Detail, problem.RetryAfter); // None has a problem, always.
            return (false, null);
        }

        return (true, route.Endpoint.Traffic.MaxBy(t => t.Weight).Revision.ToString(CultureInfo.InvariantCulture));
    }

    private static async Task<(bool IsRead, FailureBudget? Budget)> BudgetAsync(ControlCall call, string? text)
    {
        if (text is null)
        {
            return (true, null);
        }

        if (FailureBudget.TryParse(text, out var budget))
        {
            return (true, budget);
        }

        await call.RefuseAsync($"'max_failures' is '{UrlText.Shown(text)}'; allowed is a number of items such as 25, or a share such as 5%.");
        return (false, null);
    }

    private async Task ChangeAsync(ControlCall call, Func<BatchJob, BatchJob> change, Func<BatchJob, bool> isWanted)
    {
        if (await FindAsync(call) is not { } job || await OtherServerAsync(call, job) || await store.ChangeAsync(job.Id, change, call.Cancellation) is not { } changed)
        {
            return;
        }

        loop.Changed(changed);
        await (isWanted(changed) ? ShowAsync(call, changed) : RefuseAsync(call, changed));
    }

    private static Task RefuseAsync(ControlCall call, BatchJob job) => Problems.WriteAsync(
        call.Http, ProblemCode.Conflict, $"The job is {Words.Of(job.State)}{(job.Reason is { } reason ? $": {reason}" : ".")}");

    private async Task<BatchJob?> FindAsync(ControlCall call)
    {
        if (Guid.TryParseExact(call.Route("id"), "D", out var id) && await store.FindAsync(call.Tenant, new BatchId(id), call.Cancellation) is { } job)
        {
            return job;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.BatchNotFound, "There is no batch job with this id; 'dormouse batch list' shows those that there are. A job is kept for batches.keep after its end.");
        return null;
    }

    /// <summary>True when another server has the job's results; the answer is written.</summary>
    private async Task<bool> OtherServerAsync(ControlCall call, BatchJob job)
    {
        if (job.Owner == parts.Server.Id)
        {
            return false;
        }

        await Problems.WriteAsync(call.Http, ProblemCode.Conflict, $"The job runs on another server ({job.Owner:D}), which has its results. Ask that one.");
        return true;
    }

    private Task ShowAsync(ControlCall call, BatchJob job, int status = StatusCodes.Status200OK) =>
        JsonBody.WriteAsync(call.Http, BatchViews.Info(job, prices.Currency), ControlJson.Default.BatchInfo, status);
}
