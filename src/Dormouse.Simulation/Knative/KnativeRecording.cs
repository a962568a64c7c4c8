using System.Collections.Immutable;
using System.Text.Json;
using Dormouse.Core.Scaling;

namespace Dormouse.Simulation.Knative;

/// <summary>Load in one second and the instances that were ready then.</summary>
/// <param name="Load">Sum over the revision with what waits; null = nothing was reported, which is not 0.</param>
public readonly record struct RecordedSecond(long Second, double? Load, int ReadyInstances);

/// <summary>What Knative's autoscaler answered at one second.</summary>
/// <param name="Answer">Null when it had no data and decided nothing.</param>
public readonly record struct RecordedTick(long Second, RecordedAnswer? Answer);

/// <summary>The columns of one answer, in the words of <see cref="AutoscalerDecision"/>.</summary>
public readonly record struct RecordedAnswer(double StableAverage, double PanicAverage, int Wanted, int Instances, bool IsPanic, int PanicInstances, long ExcessCapacity);

/// <summary>A load and Knative's own decisions on it, of a file in the format <c>kpa-trace-1</c>.</summary>
public sealed record KnativeRecording
{
    /// <summary>The only format that is read.</summary>
    public const string Format = "kpa-trace-1";

    public required string Name { get; init; }

    public required AutoscalerPolicy Policy { get; init; }

    /// <summary>Instances that were ready when the autoscaler began.</summary>
    public required int InitialReadyInstances { get; init; }

    /// <summary>One for every second, in order.</summary>
    public required ImmutableArray<RecordedSecond> Seconds { get; init; }

    /// <summary>In order, each at one of the seconds.</summary>
    public required ImmutableArray<RecordedTick> Ticks { get; init; }

    /// <summary>Reads a file's text.</summary>
    /// <exception cref="RecordingException">It is something else, or it has holes or goes back in time; says where.</exception>
    public static KnativeRecording Parse(ReadOnlySpan<byte> json)
    {
        KnativeFile? file;
        try
        {
            file = JsonSerializer.Deserialize(json, KnativeJson.Default.KnativeFile);
        }
        catch (JsonException e)
        {
            throw new RecordingException($"It is not JSON of the format {Format}: {Where(e)}");
        }

        if (file is null || file.Format != Format)
        {
            throw new RecordingException($"'format' is '{file?.Format}'; only '{Format}' is read.");
        }

        var seconds = KnativeRows.Seconds(file.Samples ?? throw Missing("samples"));
        var settings = file.Settings ?? throw Missing("settings");
        return new KnativeRecording
        {
            Name = file.Name ?? "",
            Policy = settings.ToPolicy(),
            InitialReadyInstances = settings.InitialReadyPods,
            Seconds = seconds,
            Ticks = KnativeRows.Ticks(file.Ticks ?? throw Missing("ticks"), seconds),
        };
    }

    private static RecordingException Missing(string key) => new($"'{key}' is missing.");

    private static string Where(JsonException e) =>
        e.Path is null or "$" ? $"line {e.LineNumber + 1} cannot be read." : $"'{e.Path.TrimStart('$', '.')}' cannot be read (line {e.LineNumber + 1}).";
}

/// <summary>A recording that cannot be replayed; the message says what is wrong with it.</summary>
public sealed class RecordingException(string message) : Exception(message);
