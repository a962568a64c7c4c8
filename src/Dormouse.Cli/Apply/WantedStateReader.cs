using System.Collections.Immutable;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol.Control;
using YamlDotNet.RepresentationModel;

namespace Dormouse.Cli.Apply;

/// <summary>Reads <c>dormouse.yaml</c> (docs/spec/apply.md). Every mistake is found in one go.</summary>
internal sealed class WantedStateReader
{
    private static readonly string[] Keys =
    [
        "source", "runtime", "handler", "isolation", "network", "python", "pip", "requirements", "system_packages", "memory", "cpu", "reserve_cpu", "concurrency", "batch_max", "batch_delay", "min_instances", "provisioned", "spare_instances", "target_utilization", "scale_down_delay",
        "target_concurrency", "target_rps", "stable_window", "panic_window", "panic_threshold", "max_scale_up_rate", "max_scale_down_rate", "initial_instances", "activation_instances", "scale_to_zero_grace",
        "floors", "max_instances", "idle_timeout", "frozen_for", "keep_alive", "timeout", "start_timeout", "queue_timeout",
        "queue_limit", "queue_limit_bytes", "async_concurrency", "async_rate", "env", "secrets", "secret_files", "engine", "overflow", "signature", "public", "verify", "traffic", "canary", "handover", "mirror", "tag", "on_success", "on_failure",
    ];

    private readonly string _folder;
    private readonly YamlPlaces _places;
    private readonly YamlValues _values;
    private readonly RolloutValues _rollouts;

    private WantedStateReader(string folder, YamlPlaces places)
    {
        _folder = folder;
        _places = places;
        _values = new YamlValues(places);
        _rollouts = new RolloutValues(places, _values);
    }

    public static WantedState Read(string path)
    {
        if (LocalFile.KindOf(path) == LocalKind.Missing)
        {
            throw CommandException.BadSource($"There is no file '{path}'.{LocalFile.Near(path)} docs/spec/apply.md shows what it looks like.");
        }

        var places = new YamlPlaces(path);
        var root = YamlPlaces.Load(path, LocalFile.ReadText(path, "file"));
        var reader = new WantedStateReader(Path.GetDirectoryName(Path.GetFullPath(path))!, places);
        var state = reader.Root(root);
        places.ThrowIfAny();
        return state;
    }

    private WantedState Root(YamlNode root)
    {
        var endpoints = ImmutableArray.CreateBuilder<WantedEndpoint>();
        ImmutableArray<WantedTrigger> triggers = [];
        if (root is YamlMappingNode { Children: var sections } && !sections.ContainsKey(new YamlScalarNode("endpoints")) && !sections.ContainsKey(new YamlScalarNode("triggers")))
        {
            _places.Add(root, "endpoints", "Missing: name the endpoints under it.");
        }

        foreach (var (key, keyNode, value) in _values.Entries(root, ""))
        {
            if (key == "triggers")
            {
                triggers = [.. new TriggerValues(_places, _values).Triggers(value)];
                continue;
            }

            if (key != "endpoints")
            {
                _places.Add(keyNode, key, "Unknown key." + Suggestions.Question(key, ["endpoints", "triggers"]));
                continue;
            }

            foreach (var (name, nameNode, body) in _values.Entries(value, key))
            {
                if (EndpointName.Refusal(name) is { } refusal)
                {
                    _places.Add(nameNode, key + "." + name, refusal);
                }

                if (Endpoint(name, body) is { } endpoint)
                {
                    endpoints.Add(endpoint);
                }
            }
        }

        return new WantedState(endpoints.ToImmutable(), _places) { Triggers = triggers };
    }

    private WantedEndpoint? Endpoint(string name, YamlNode body)
    {
        var path = "endpoints." + name;
        string? source = null;
        var settings = new RevisionSettings();
        var verify = true;
        ImmutableSortedDictionary<string, int>? traffic = null;
        CanarySettings? canary = null;
        HandoverSettings? handover = null;
        WantedMirror? mirror = null;
        string? tag = null;
        string? onSuccess = null;
        string? onFailure = null;
        var nodes = ImmutableDictionary.CreateBuilder<string, YamlNode>();
        foreach (var (key, keyNode, value) in _values.Entries(body, path))
        {
            var at = path + "." + key;
            nodes[key] = value;
            switch (key)
            {
                case "source":
                    source = _values.Text(value, at);
                    break;
                case "verify":
                    verify = _values.Flag(value, at) ?? true;
                    break;
                case "traffic":
                    traffic = Traffic(value, at);
                    break;
                case "canary":
                    canary = _rollouts.Canary(value, at);
                    break;
                case "handover":
                    handover = _rollouts.Handover(value, at);
                    break;
                case "mirror":
                    mirror = _rollouts.Mirror(value, at);
                    break;
                case "tag":
                    tag = Tag(value, at);
                    break;
                case "on_success":
                    onSuccess = Goal(value, at);
                    break;
                case "on_failure":
                    onFailure = Goal(value, at);
                    break;
                case var _ when Keys.Contains(key):
                    settings = Setting(settings, key, value, at);
                    break;
                default:
                    _places.Add(keyNode, at, "Unknown key." + Suggestions.Question(key, Keys));
                    break;
            }
        }

        if (canary is not null && traffic is not null)
        {
            _places.Add(nodes["canary"], path + ".canary", "A canary shares the traffic out itself: write either 'canary' or 'traffic'.");
        }

        if (canary is not null && handover is not null)
        {
            _places.Add(nodes["handover"], path + ".handover", "A canary gets a share at once, a handover all when it is warm: write either 'canary' or 'handover'.");
        }

        foreach (var (key, sentence) in SettingsCheck.Faults(settings))
        {
            _places.Add(nodes.GetValueOrDefault(key, body), path + "." + key, sentence);
        }

        if (source is null)
        {
            if (body is YamlMappingNode && !nodes.ContainsKey("source"))
            {
                _places.Add(body, path + ".source", "Missing: name the model's file, folder or https address.");
            }

            return null;
        }

        var isAddress = RemoteSource.IsAddress(source);
        var full = isAddress ? source : Path.GetFullPath(source, _folder);
        var package = isAddress ? null : Package(full, settings, nodes["source"], path + ".source");
        if (package?.Python is { } python)
        {
            settings = settings with { Runtime = RuntimeKind.Python.Name, Handler = settings.Handler ?? python.Module };
        }

        if (package is { IsPipeline: true })
        {
            settings = settings with { Runtime = RuntimeKind.Pipeline.Name };
        }

        return new WantedEndpoint(name, full, settings, verify, traffic)
        {
            Package = package,
            Canary = canary,
            Handover = handover,
            Mirror = mirror,
            Tag = tag,
            OnSuccess = onSuccess,
            OnFailure = onFailure,
            Nodes = nodes.ToImmutable(),
        };
    }

    private PackageSource? Package(string source, RevisionSettings settings, YamlNode node, string at)
    {
        try
        {
            var package = SourceReader.Read(source, settings.Handler is null ? settings.Runtime : RuntimeKind.NameFor(settings.Runtime, settings.Handler));
            foreach (var fault in settings.Signature is null && package.Python is null ? PackageSignature.Faults(package) : [])
            {
                _places.Add(node, at, fault);
            }

            return package;
        }
        catch (Exception e) when (e is CommandException or IOException or UnauthorizedAccessException)
        {
            _places.Add(node, at, e.Message);
            return null;
        }
    }

    private RevisionSettings Setting(RevisionSettings settings, string key, YamlNode value, string at) => key switch
    {
        "runtime" => settings with { Runtime = _values.Text(value, at) },
        "handler" => settings with { Handler = _values.Text(value, at) },
        "python" => settings with { Python = _values.Text(value, at) },
        "pip" => settings with { Pip = _values.List(value, at) },
        "requirements" => settings with { Requirements = _values.Text(value, at) },
        "system_packages" => settings with { SystemPackages = _values.Flag(value, at) },
        "isolation" => settings with { Isolation = _values.Text(value, at) },
        "network" => settings with { Network = _values.Text(value, at) },
        "memory" => settings with { Memory = _values.Text(value, at) },
        "cpu" => settings with { Cpu = _values.Number(value, at) },
        "reserve_cpu" => settings with { ReserveCpu = _values.Number(value, at) },
        "concurrency" => settings with { Concurrency = _values.Concurrency(value, at) },
        "batch_max" => settings with { BatchMax = _values.Whole(value, at) },
        "batch_delay" => settings with { BatchDelay = _values.Text(value, at) },
        "min_instances" => settings with { MinInstances = _values.Whole(value, at) },
        "provisioned" => settings with { Provisioned = _values.Whole(value, at) },
        "spare_instances" => settings with { SpareInstances = _values.Whole(value, at) },
        "target_utilization" => settings with { TargetUtilization = _values.Number(value, at) },
        "scale_down_delay" => settings with { ScaleDownDelay = _values.Text(value, at) },
        "target_concurrency" => settings with { TargetConcurrency = _values.Number(value, at) },
        "target_rps" => settings with { TargetRps = _values.Number(value, at) },
        "stable_window" => settings with { StableWindow = _values.Text(value, at) },
        "panic_window" => settings with { PanicWindow = _values.Text(value, at) },
        "panic_threshold" => settings with { PanicThreshold = _values.Number(value, at) },
        "max_scale_up_rate" => settings with { MaxScaleUpRate = _values.Number(value, at) },
        "max_scale_down_rate" => settings with { MaxScaleDownRate = _values.Number(value, at) },
        "initial_instances" => settings with { InitialInstances = _values.Whole(value, at) },
        "activation_instances" => settings with { ActivationInstances = _values.Whole(value, at) },
        "scale_to_zero_grace" => settings with { ScaleToZeroGrace = _values.Text(value, at) },
        "floors" => settings with { Floors = _values.List(value, at) },
        "max_instances" => settings with { MaxInstances = _values.Whole(value, at) },
        "frozen_for" => settings with { FrozenFor = _values.Text(value, at) },
        "idle_timeout" => settings with { IdleTimeout = _values.Text(value, at) },
        "keep_alive" => settings with { KeepAlive = _values.Text(value, at) },
        "timeout" => settings with { Timeout = _values.Text(value, at) },
        "start_timeout" => settings with { StartTimeout = _values.Text(value, at) },
        "queue_timeout" => settings with { QueueTimeout = _values.Text(value, at) },
        "queue_limit" => settings with { QueueLimit = _values.Whole(value, at) },
        "queue_limit_bytes" => settings with { QueueLimitBytes = _values.Text(value, at) },
        "async_concurrency" => settings with { AsyncConcurrency = _values.Whole(value, at) },
        "async_rate" => settings with { AsyncRate = _values.Number(value, at) },
        "env" => settings with { Environment = _values.Texts(value, at) },
        "secrets" => settings with { Secrets = _values.Secrets(value, at) },
        "secret_files" => settings with { SecretFiles = _values.Texts(value, at) },
        "engine" => settings with { Engine = _values.Texts(value, at) },
        "overflow" => settings with { Overflow = Overflow(value, at) },
        "public" => settings with { Public = _values.Flag(value, at) },
        _ => settings with { Signature = Signature(value, at) },
    };

    /// <summary>The signature itself, or the path of its file.</summary>
    private string? Signature(YamlNode value, string at)
    {
        if (value is YamlMappingNode)
        {
            return YamlJson.Of(value)?.ToJsonString();
        }

        if (_values.Text(value, at) is not { } file)
        {
            return null;
        }

        var path = Path.GetFullPath(file, _folder);
        try
        {
            return YamlJson.Of(YamlPlaces.Load(path, LocalFile.ReadText(path, "file")))?.ToJsonString();
        }
        catch (Exception e) when (e is CommandException or IOException or UnauthorizedAccessException)
        {
            _places.Add(value, at, e.Message);
            return null;
        }
    }

    private ImmutableSortedDictionary<string, int> Traffic(YamlNode node, string at)
    {
        var traffic = ImmutableSortedDictionary.CreateBuilder<string, int>(StringComparer.Ordinal);
        foreach (var (revision, keyNode, value) in _values.Entries(node, at))
        {
            if (!TrafficRules.TryParseRevision(revision, out _))
            {
                _places.Add(keyNode, at + "." + revision, "This is no revision; write it like r3.");
            }
            else if (_values.Whole(value, at + "." + revision) is { } weight)
            {
                traffic[revision] = weight;
            }
        }

        if (node is YamlMappingNode && traffic.Values.Sum(w => (long)w) is var sum && sum != 100)
        {
            _places.Add(node, at, $"The weights sum to {sum}; they must sum to 100.");
        }

        // As the server keeps them: a weight of 0 is the same as none.
        traffic.RemoveRange(traffic.Where(t => t.Value == 0).Select(t => t.Key).ToArray());
        return traffic.ToImmutable();
    }

    private string? Tag(YamlNode node, string at)
    {
        var tag = _values.Text(node, at);
        if (tag is not null && TagRules.Refusal(tag) is { } refusal)
        {
            _places.Add(node, at, refusal);
        }

        return tag;
    }

    private string? Goal(YamlNode node, string at)
    {
        var goal = _values.Text(node, at);
        if (goal is not null && Destination.ReferenceRefusal(goal) is { } refusal)
        {
            _places.Add(node, at, $"A destination's name, endpoint:NAME or none is needed here. {refusal}");
        }

        return goal;
    }

    /// <summary>An address, or a mapping of <c>url</c>, <c>max</c>, <c>key_file</c> and <c>key_env</c>.</summary>
    private OverflowSettings Overflow(YamlNode node, string at)
    {
        if (node is YamlScalarNode)
        {
            return new OverflowSettings(_values.Text(node, at));
        }

        var settings = new OverflowSettings(null);
        foreach (var (key, keyNode, value) in _values.Entries(node, at))
        {
            var place = at + "." + key;
            settings = key switch
            {
                "url" => settings with { Url = _values.Text(value, place) },
                "max" => settings with { Max = _values.Whole(value, place) },
                "key_file" => settings with { KeyFile = _values.Text(value, place) },
                "key_env" => settings with { KeyEnv = _values.Text(value, place) },
                _ => Unknown(keyNode, place, key, settings),
            };
        }

        return settings;
    }

    private OverflowSettings Unknown(YamlNode node, string at, string key, OverflowSettings settings)
    {
        _places.Add(node, at, "Unknown key." + Suggestions.Question(key, ["url", "max", "key_file", "key_env"]));
        return settings;
    }
}
