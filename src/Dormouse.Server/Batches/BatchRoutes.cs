using System.Collections.Immutable;
using Dormouse.Core.Access;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Batches;

/// <summary>The part of the control plane's table of contents that is about batch jobs.</summary>
internal static class BatchRoutes
{
    public static ImmutableArray<ControlRoute> All(BatchesApi api) =>
    [
        ControlRoutes.Get("/batches", "listBatches", "Batch jobs, newest first", typeof(BatchList), api.ListAsync) with
        {
            Query =
            [
                new QueryParameter("endpoint", "string", "Only those of this endpoint: name, or id of a deleted one."),
                new QueryParameter("state", "string", "running, paused, failed, cancelled or done."),
                new QueryParameter("limit", "integer", "Most jobs, 1 to 1,000. Default 100."),
                new QueryParameter("page_token", "string", "The next_page_token of the page before."),
            ],
        },
        ControlRoutes.Send("POST", "/batches", "createBatch", "Run an endpoint over every item of an input", typeof(BatchRequest), typeof(BatchInfo), api.CreateAsync) with { Status = 201 },
        ControlRoutes.Get("/batches/{id}", "getBatch", "One batch job: how far it is and what it has cost", typeof(BatchInfo), api.GetAsync),
        ControlRoutes.Send("POST", "/batches/{id}/pause", "pauseBatch", "Take nothing more from its input; what runs ends", null, typeof(BatchInfo), api.PauseAsync),
        ControlRoutes.Send("POST", "/batches/{id}/resume", "resumeBatch", "Go on with a paused or failed job, with another error budget if one is given", typeof(ResumeBatchRequest), typeof(BatchInfo), api.ResumeAsync),
        ControlRoutes.Send("POST", "/batches/{id}/cancel", "cancelBatch", "End it; what has not run is not run", null, typeof(BatchInfo), api.CancelAsync),
        new("GET", "/batches/{id}/results", KeyScopes.Admin, "getBatchResults", "Its results so far, one line an item, in the order of the input", api.ResultsAsync)
        {
            AnswerType = "application/jsonl",
            Query =
            [
                new QueryParameter("from", "integer", "Bytes of the results that are left out, 0 or more; not with format=csv. Default 0."),
                new QueryParameter("format", "string", "jsonl or csv. Default jsonl."),
            ],
        },
        ControlRoutes.Send("DELETE", "/batches/{id}", "deleteBatch", "Remove a job that has ended, with its results", null, null, api.DeleteAsync) with { Status = 204 },
    ];
}
