using System.Text.Json;

namespace Dormouse.Cli.Drill;

/// <summary>Counts who answered while an act listens. Calls are heard on any thread.</summary>
internal sealed class AnswersByRevision
{
    /// <summary>Causes of a start that an instance which is there already spares a caller; a burst beyond it does not count.</summary>
    private static readonly string[] Spared = ["first", "idle", "rollout"];

    /// <summary>Fewer say nothing.</summary>
    private const int RunsMin = 10;

    private readonly Lock _countsLock = new();
    private readonly Dictionary<string, (int Answers, int Cold)> _counts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<double>> _runs = new(StringComparer.Ordinal);

    public void Heard(DrillCall call, DrillReply reply)
    {
        if (reply.Status == 200 && Version(reply.Body) is { } version)
        {
            var isCold = reply.Trace is { Kind: "cold", Cause: { } cause } && Spared.Contains(cause);
            lock (_countsLock)
            {
                var (answers, cold) = _counts.GetValueOrDefault(version);
                _counts[version] = (answers + 1, cold + (isCold ? 1 : 0));
                if (reply.Trace is { Kind: not "cold", RunMs: { } run })
                {
                    if (!_runs.TryGetValue(version, out var runs))
                    {
                        _runs[version] = runs = [];
                    }

                    runs.Add(run);
                }
            }
        }
    }

    /// <summary>Answers of a revision.</summary>
    public int Of(int revision) => Counts(revision).Answers;

    /// <summary>Those of them that waited for a start which an instance that was there would have spared.</summary>
    public int ColdOf(int revision) => Counts(revision).Cold;

    /// <summary>The time, in milliseconds, that this share of a revision's runs stays below; cold ones, which are longer, left out. Null when there were too few.</summary>
    public double? RunOf(int revision, double share)
    {
        lock (_countsLock)
        {
            return _runs.TryGetValue(VersionOf(revision), out var runs) && runs.Count >= RunsMin ? runs.Order().ElementAt((int)(runs.Count * share)) : null;
        }
    }

    private (int Answers, int Cold) Counts(int revision)
    {
        lock (_countsLock)
        {
            return _counts.GetValueOrDefault(VersionOf(revision));
        }
    }

    private static string VersionOf(int revision) => revision.ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Null when it is no answer of the protocol: the judge of answers says so.</summary>
    private static string? Version(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.GetProperty("model_version").GetString();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }
}
