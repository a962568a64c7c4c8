using System.Collections.Immutable;
using Dormouse.Core.Events;

namespace Dormouse.Core.Pipelines;

/// <summary>A graph of steps without cycles, checked. Two are equal when their texts are.</summary>
public sealed class PipelineDefinition : IEquatable<PipelineDefinition>
{
    private readonly ImmutableDictionary<string, PipelineStep> _byName;

    internal PipelineDefinition(string text, ImmutableArray<PipelineStep> steps, EventTemplate? output)
    {
        Text = text;
        Steps = steps;
        Output = output;
        _byName = steps.ToImmutableDictionary(s => s.Name, StringComparer.Ordinal);
        var before = steps.SelectMany(s => s.After).ToHashSet(StringComparer.Ordinal);
        Last = [.. steps.Where(s => !before.Contains(s.Name)).Select(s => s.Name)];
    }

    /// <summary>The definition as JSON without blanks: what is stored, and what gives the same definition again.</summary>
    public string Text { get; }

    /// <summary>1 to <see cref="PipelineLimits.StepsMax"/>, each behind those it waits for, else as written.</summary>
    public ImmutableArray<PipelineStep> Steps { get; }

    /// <summary>What the pipeline answers; null = the output of the last step, or of several an object of their outputs.</summary>
    public EventTemplate? Output { get; }

    /// <summary>The steps that no other waits for.</summary>
    public ImmutableArray<string> Last { get; }

    /// <summary>The endpoints that it calls, each once.</summary>
    public IEnumerable<string> Endpoints => Steps.Select(s => s.Endpoint).Distinct(StringComparer.Ordinal);

    public PipelineStep? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>A stored definition, which was checked when it was stored.</summary>
    public static PipelineDefinition Stored(string text) =>
        PipelineReader.Read(text, out var faults) ?? throw new InvalidDataException("A stored pipeline cannot be read: " + string.Join(' ', faults));

    public bool Equals(PipelineDefinition? other) => other is not null && other.Text == Text;

    public override bool Equals(object? obj) => Equals(obj as PipelineDefinition);

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;
}
