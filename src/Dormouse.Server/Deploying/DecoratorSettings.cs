using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Launching;
using Dormouse.Server.Triggers;

namespace Dormouse.Server.Deploying;

/// <summary>What a Python decorator says, as settings of a revision; and what of it this server cannot do, which must not be lost without a word.</summary>
internal static class DecoratorSettings
{
    /// <summary>Settings of a revision that a decorator does not say: what it decorates says them, they are of models, or of the endpoint and not of its code.</summary>
    public static readonly ImmutableArray<string> Others = ["runtime", "handler", "batch_max", "batch_delay", "engine", "signature", "overflow", "public"];

    /// <summary>Members that a revision has under the same name.</summary>
    public static readonly ImmutableArray<string> Plain = [.. ControlJson.Default.RevisionSettings.Properties.Select(p => p.Name).Except(Others)];

    /// <param name="module">File of the function.</param>
    public static FunctionInfo Read(PythonFunction function, string module)
    {
        var unmet = ImmutableArray.CreateBuilder<string>();
        var settings = new RevisionSettings();
        if (function.Settings is { ValueKind: JsonValueKind.Object } written)
        {
            settings = Taken(function.Name, written, unmet);
            foreach (var member in written.EnumerateObject())
            {
                if (!Plain.Contains(member.Name) && Unmet(member) is { } sentence)
                {
                    unmet.Add($"{function.Name}: {sentence}");
                }
            }
        }

        return new FunctionInfo
        {
            Name = function.Name,
            Kind = function.Kind,
            Settings = settings with { Runtime = RuntimeKind.Python.Name, Handler = new PythonHandler(module, function.Name).ToString() },
            Schedule = Schedule(function.Settings),
            Unmet = unmet.ToImmutable(),
            Stream = function.Stream,
            Doc = function.Doc,
            Input = function.Schema?.Input,
            Output = function.Schema?.Output,
        };
    }

    /// <summary>Member by member, so that one of a wrong type is named.</summary>
    private static RevisionSettings Taken(string function, JsonElement written, ImmutableArray<string>.Builder unmet)
    {
        var taken = new JsonObject();
        foreach (var member in written.EnumerateObject().Where(m => Plain.Contains(m.Name) && m.Value.ValueKind != JsonValueKind.Null))
        {
            var alone = new JsonObject { [member.Name] = JsonNode.Parse(member.Value.GetRawText()) };
            try
            {
                _ = alone.Deserialize(ControlJson.Default.RevisionSettings);
                taken[member.Name] = alone[member.Name]?.DeepClone();
            }
            catch (JsonException)
            {
                unmet.Add($"{function}: {member.Name} is {ShownText.Of(member.Value.GetRawText())}, which is of the wrong type.");
            }
        }

        return taken.Deserialize(ControlJson.Default.RevisionSettings) ?? new RevisionSettings();
    }

    /// <summary>A sentence for what is asked for and cannot be had; null when all is well.</summary>
    private static string? Unmet(JsonProperty member)
    {
        if (IsNothing(member.Value))
        {
            return null;
        }

        var shown = ShownText.Of(member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString() ?? "" : member.Value.GetRawText());
        return member.Name switch
        {
            "schedule" => CronSchedule.Parse(shown, CronSchedule.DefaultZone, out var fault) is null ? fault : null,
            var name => $"{name} is no setting of a function.",
        };
    }

    private static string? Schedule(JsonElement? written) =>
        written is { ValueKind: JsonValueKind.Object } members && members.TryGetProperty("schedule", out var schedule) && schedule.ValueKind == JsonValueKind.String ? schedule.GetString() : null;

    private static bool IsNothing(JsonElement value) =>
        value.ValueKind is JsonValueKind.Null or JsonValueKind.False || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0);
}
