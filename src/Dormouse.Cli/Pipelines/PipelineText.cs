using System.Globalization;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Pipelines;

namespace Dormouse.Cli.Pipelines;

/// <summary>A pipeline's definition for people.</summary>
internal static class PipelineText
{
    /// <summary>Null when this version cannot read it.</summary>
    public static PipelineDefinition? Read(string? definition) => definition is null ? null : PipelineReader.Read(definition, out _);

    public static string Count(PipelineDefinition definition) => definition.Steps.Length == 1 ? "1 step" : $"{definition.Steps.Length} steps";

    /// <summary><c>after split, for each item, 3 attempts</c></summary>
    public static string Terms(PipelineStep step)
    {
        var terms = new List<string>();
        if (!step.After.IsEmpty)
        {
            terms.Add($"after {string.Join(step.Join == StepJoin.Any ? " or " : ", ", step.After)}");
        }

        if (step.When is not null)
        {
            terms.Add("on a condition");
        }

        if (step.Map is { } map)
        {
            terms.Add(string.Create(CultureInfo.InvariantCulture, $"for each of {map.Paths.First()}, {step.AtOnce} at once"));
        }

        if (step.Retry.Attempts > 1)
        {
            terms.Add(string.Create(CultureInfo.InvariantCulture, $"{step.Retry.Attempts} attempts"));
        }

        if (step.Timeout is { } timeout)
        {
            terms.Add("within " + Durations.Format(timeout));
        }

        if (step.OnError == StepFailure.Continue)
        {
            terms.Add("may fail");
        }

        return string.Join(", ", terms);
    }

    /// <summary>The endpoint with what is said of its revision and path.</summary>
    public static string Target(PipelineStep step) => step.Endpoint + (step.Revision is { } revision ? "@" + revision : "") + step.Path;
}
