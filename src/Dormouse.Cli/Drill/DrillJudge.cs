using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using Dormouse.Protocol.Problems;

namespace Dormouse.Cli.Drill;

internal enum Verdict
{
    Right,

    /// <summary>No answer, or an error that the product must not give to a right request.</summary>
    Lost,

    /// <summary>An answer that is not the one to this request by a revision that had traffic.</summary>
    Wrong,

    /// <summary>The right answer after the deadline.</summary>
    Late,

    /// <summary>Told to come back: documented, and nothing was run.</summary>
    Refused,
}

/// <param name="Why">A sentence; null when right.</param>
internal sealed record Judgement(Verdict Verdict, string? Why = null);

/// <summary>Whether a reply is what a caller was promised. Pure.</summary>
internal static class DrillJudge
{
    /// <summary>Codes of docs/spec/errors.md that say "not now" to a caller who sends more than there is room for.</summary>
    private static readonly FrozenSet<string> Refusals =
        FrozenSet.ToFrozenSet(["concurrency_limit_reached", "queue_timeout", "deadline_unreachable", "capacity_exhausted"], StringComparer.Ordinal);

    /// <param name="revisions">Numbers of the revisions that had traffic at some time between sending and answer.</param>
    public static Judgement Of(string endpoint, DrillCall call, DrillReply reply, IReadOnlySet<int> revisions, TimeSpan deadline)
    {
        if (reply.Status == 0)
        {
            return new Judgement(Verdict.Lost, $"{call.Id}: no answer ({reply.Failure})");
        }

        if (reply.Status != 200)
        {
            var problem = Problem(reply.Body);
            return new Judgement(
                Refusals.Contains(problem?.Code ?? "") ? Verdict.Refused : Verdict.Lost,
                string.Create(CultureInfo.InvariantCulture, $"{call.Id}: {reply.Status} {problem?.Code} {problem?.Detail}"));
        }

        return Fault(endpoint, call, reply.Body, revisions) is { } fault ? new Judgement(Verdict.Wrong, $"{call.Id}: {fault}")
            : reply.Elapsed > deadline ? new Judgement(Verdict.Late, string.Create(CultureInfo.InvariantCulture, $"{call.Id}: answered after {reply.Elapsed.TotalMilliseconds:0} ms"))
            : new Judgement(Verdict.Right);
    }

    private static ProblemDocument? Problem(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ProblemJson.Default.ProblemDocument);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Null when the answer is right.</summary>
    private static string? Fault(string endpoint, DrillCall call, byte[] body, IReadOnlySet<int> revisions)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var answer = document.RootElement;
            if (answer.GetProperty("id").GetString() is var id && id != call.Id)
            {
                return $"the answer has the id '{id}'";
            }

            if (answer.GetProperty("model_name").GetString() is var model && model != endpoint)
            {
                return $"'{model}' answered";
            }

            var version = answer.GetProperty("model_version").GetString();
            if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var revision) || !revisions.Contains(revision))
            {
                return $"revision {version} answered while traffic was on {string.Join(", ", revisions.Order().Select(r => "r" + r.ToString(CultureInfo.InvariantCulture)))}";
            }

            var output = answer.GetProperty("outputs").EnumerateArray().Single();
            var total = output.GetProperty("data").EnumerateArray().Single().GetInt64();
            var right = DrillModel.Answer(call, revision);
            return total == right && output.GetProperty("name").GetString() == DrillModel.Total
                ? null
                : string.Create(CultureInfo.InvariantCulture, $"r{revision} answered {total} instead of {right}");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return $"the answer is none of the inference protocol ({e.Message})";
        }
    }
}
