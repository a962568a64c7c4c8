using Dormouse.Core.Batches;
using Dormouse.Core.Usage;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Batches;

/// <summary>From a job to the API's.</summary>
internal static class BatchViews
{
    public static BatchInfo Info(BatchJob job, string currency) => new()
    {
        Id = job.Id.ToString(),
        Endpoint = job.EndpointName,
        EndpointId = job.Endpoint.ToString(),
        Revision = job.Version is { } version ? "r" + version : null,
        Input = new BatchInputInfo(Words.Of(job.Input.Place), job.Input.Name, Words.Of(job.Input.Format), job.Input.Bytes, job.ReadBytes),
        Concurrency = job.Concurrency,
        MaxFailures = job.Budget.ToString(),
        State = Words.Of(job.State),
        IsActive = job.IsActive,
        Reason = job.Reason,
        Succeeded = job.Succeeded,
        Failed = job.Failures,
        Skipped = job.Skipped,
        InFlight = job.InWindow,
        InputRead = job.IsReadToEnd,
        ResultsBytes = job.ResultsBytes,
        Attempts = job.Attempts,
        PricePico = job.CostPico.ToString(System.Globalization.CultureInfo.InvariantCulture),
        Price = PicoMoney.Format(job.CostPico),
        Currency = currency,
        CreatedAt = job.CreatedAt,
        EndedAt = job.EndedAt,
    };
}
