using System.Globalization;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <summary>Reads <c>canary</c>, <c>handover</c> and <c>mirror</c> of an endpoint in <c>dormouse.yaml</c>.</summary>
internal sealed class RolloutValues(YamlPlaces places, YamlValues values)
{
    /// <summary>A per cent, or a mapping of <c>percent</c>, <c>min</c> and <c>for</c>.</summary>
    public CanarySettings? Canary(YamlNode node, string at)
    {
        int? percent = null;
        int? min = null;
        string? limit = null;
        if (node is YamlScalarNode)
        {
            percent = values.Whole(node, at);
        }
        else
        {
            foreach (var (key, keyNode, value) in values.Entries(node, at))
            {
                switch (key)
                {
                    case "percent":
                        percent = values.Whole(value, at + "." + key);
                        break;
                    case "min":
                        min = values.Whole(value, at + "." + key);
                        break;
                    case "for":
                        limit = values.Text(value, at + "." + key);
                        break;
                    default:
                        Unknown(keyNode, at, key, ["percent", "min", "for"]);
                        break;
                }
            }

            if (percent is null)
            {
                places.Add(node, at + ".percent", "Missing: a whole number from 1 to 99.");
            }
        }

        if (percent is not { } share)
        {
            return null;
        }

        foreach (var error in CanaryRules.Apply(share, min, limit) is CanaryOutcome.Refused refused ? refused.Errors : [])
        {
            places.Add(node, at, error.Message);
        }

        return new CanarySettings(share, min, limit);
    }

    /// <summary><c>true</c>, or a mapping of <c>warm</c>, <c>keep_old</c> and <c>for</c>.</summary>
    public HandoverSettings? Handover(YamlNode node, string at)
    {
        if (node is YamlScalarNode)
        {
            return values.Flag(node, at) is true ? new HandoverSettings() : null;
        }

        int? warm = null;
        string? keepOld = null;
        string? limit = null;
        foreach (var (key, keyNode, value) in values.Entries(node, at))
        {
            switch (key)
            {
                case "warm":
                    warm = values.Whole(value, at + "." + key);
                    break;
                case "keep_old":
                    keepOld = values.Text(value, at + "." + key);
                    break;
                case "for":
                    limit = values.Text(value, at + "." + key);
                    break;
                default:
                    Unknown(keyNode, at, key, ["warm", "keep_old", "for"]);
                    break;
            }
        }

        foreach (var error in HandoverRules.Apply(warm, keepOld, limit) is HandoverOutcome.Refused refused ? refused.Errors : [])
        {
            places.Add(node, at, error.Message);
        }

        return new HandoverSettings(warm, keepOld, limit);
    }

    /// <summary><c>false</c>, or a mapping of <c>revision</c>, <c>percent</c> and <c>tolerance</c>.</summary>
    public WantedMirror? Mirror(YamlNode node, string at)
    {
        if (node is YamlScalarNode)
        {
            if (values.Flag(node, at) is true)
            {
                places.Add(node, at, "'true' does not say where to; allowed is false, or a mapping such as { revision: r4, percent: 10 }.");
            }

            return new WantedMirror(null);
        }

        string? revision = null;
        int? percent = null;
        double? tolerance = null;
        foreach (var (key, keyNode, value) in values.Entries(node, at))
        {
            switch (key)
            {
                case "revision":
                    revision = values.Text(value, at + "." + key);
                    break;
                case "percent":
                    percent = values.Whole(value, at + "." + key);
                    break;
                case "tolerance":
                    tolerance = values.Number(value, at + "." + key);
                    break;
                default:
                    Unknown(keyNode, at, key, ["revision", "percent", "tolerance"]);
                    break;
            }
        }

        if (node is YamlMappingNode)
        {
            Check(node, at, revision, percent, tolerance);
        }

        return revision is not null && percent is { } share ? new WantedMirror(new MirrorRequest(revision, share, tolerance ?? MirrorRules.ToleranceByDefault)) : null;
    }

    private void Check(YamlNode node, string at, string? revision, int? percent, double? tolerance)
    {
        if (!TrafficRules.TryParseRevision(revision, out _))
        {
            places.Add(node, at + ".revision", revision is null ? "Missing: the revision that gets the copies, such as r4." : $"'{revision}' is no revision; write it like r3.");
        }

        if (percent is not (>= 1 and <= 100))
        {
            places.Add(node, at + ".percent", percent is null ? "Missing: a whole number from 1 to 100." : $"percent is {percent}; allowed are 1 to 100.");
        }

        if (tolerance is not (null or (>= 0 and <= 1)))
        {
            places.Add(node, at + ".tolerance", $"tolerance is {tolerance.Value.ToString(CultureInfo.InvariantCulture)}; allowed are 0 to 1.");
        }
    }

    private void Unknown(YamlNode keyNode, string at, string key, string[] allowed) =>
        places.Add(keyNode, at + "." + key, "Unknown key." + Suggestions.Question(key, allowed));
}
