using System.Collections.Immutable;
using System.Globalization;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Engine;

/// <summary>How sessions are made: the product's recipe, and what the user set on top of it.</summary>
internal sealed class EngineSettings
{
    private const int ThreadsMax = 256;
    private const string FreeDimensionPrefix = "free_dimension.";

    // A setting outside these may shape the optimised graph, and that file is shared by all revisions with the same model.
    private static readonly string[] GraphNeutral =
        ["session.intra_op", "session.inter_op", "session.force_spinning_stop", "session.prepack.", "session.disable_prepacking", "session.use_deterministic_compute",
         "session.set_denormal_as_zero", "memory."];

    // Words of keys that make the engine read or write files of its own choice, or that would undo the way the product loads models.
    private static readonly string[] RefusedWords =
        ["file", "path", "folder", "directory", "profiling", "ep.context", "model_format", "ort_model", "model_bytes", "external_", "log_", "compile", "use_per_session_threads", "debug_"];

    private readonly Dictionary<string, string> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _freeDimensions = new(StringComparer.Ordinal);
    private GraphOptimizationLevel _optimisation = GraphOptimizationLevel.ORT_ENABLE_ALL;
    private ExecutionMode _executionMode = ExecutionMode.ORT_SEQUENTIAL;
    private int _interOpThreads = 1;
    private bool _arena;
    private bool _memoryPattern = true;

    private EngineSettings(int threads) => Threads = threads;

    /// <summary>Intra-op threads of one run.</summary>
    internal int Threads { get; private set; }

    /// <summary>False when the user's settings may shape the graph: then no optimised file is written or used.</summary>
    internal bool MayUseOptimised { get; private set; } = true;

    /// <summary>Reads the settings; a setting that is not allowed or not understood throws <see cref="ModelRefusedException"/>.</summary>
    internal static EngineSettings Parse(int threads, ImmutableSortedDictionary<string, string> engine)
    {
        var settings = new EngineSettings(Math.Clamp(threads, 1, ThreadsMax));
        foreach (var (key, value) in engine)
        {
            settings.Apply(key, value);
        }

        return settings;
    }

    /// <summary>Options for the original model: optimised while it loads.</summary>
    internal SessionOptions ForOriginal() => Create(_optimisation);

    /// <summary>Options for an optimised file: mapped, initialisers used where they lie, nothing optimised again.</summary>
    internal SessionOptions ForOptimised()
    {
        var options = Create(GraphOptimizationLevel.ORT_DISABLE_ALL);
        options.AddSessionConfigEntry("session.load_model_format", "ORT");
        options.AddSessionConfigEntry("session.use_memory_mapped_ort_model", "1");
        options.AddSessionConfigEntry("session.use_ort_model_bytes_for_initializers", "1");
        return options;
    }

    private SessionOptions Create(GraphOptimizationLevel optimisation)
    {
        var options = new SessionOptions
        {
            GraphOptimizationLevel = optimisation,
            ExecutionMode = _executionMode,
            IntraOpNumThreads = Threads,
            InterOpNumThreads = _interOpThreads,
            EnableCpuMemArena = _arena,
            EnableMemoryPattern = _memoryPattern,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        options.AddSessionConfigEntry("session.inter_op.allow_spinning", "0");
        foreach (var (key, value) in _entries)
        {
            options.AddSessionConfigEntry(key, value);
        }

        foreach (var (name, size) in _freeDimensions)
        {
            options.AddFreeDimensionOverrideByName(name, size);
        }

        return options;
    }

    private void Apply(string key, string value)
    {
        switch (key.StartsWith("session.", StringComparison.Ordinal) ? key["session.".Length..] : key)
        {
            case "graph_optimization_level":
                _optimisation = Level(key, value);
                MayUseOptimised &= _optimisation == GraphOptimizationLevel.ORT_ENABLE_ALL;
                break;
            case "execution_mode":
                _executionMode = value switch
                {
                    "sequential" or "0" => ExecutionMode.ORT_SEQUENTIAL,
                    "parallel" or "1" => ExecutionMode.ORT_PARALLEL,
                    _ => throw Bad(key, value, "sequential or parallel"),
                };
                break;
            case "enable_cpu_mem_arena":
                _arena = Switch(key, value);
                break;
            case "enable_mem_pattern":
                _memoryPattern = Switch(key, value);
                break;
            case "intra_op_num_threads":
                Threads = Whole(key, value, ThreadsMax);
                break;
            case "inter_op_num_threads":
                _interOpThreads = Whole(key, value, ThreadsMax);
                break;
            default:
                ApplyEntry(key, value);
                break;
        }
    }

    private void ApplyEntry(string key, string value)
    {
        if (key.StartsWith(FreeDimensionPrefix, StringComparison.Ordinal))
        {
            _freeDimensions[key[FreeDimensionPrefix.Length..]] = Whole(key, value, int.MaxValue);
            MayUseOptimised = false;
            return;
        }

        // Every configuration key of the engine has a dot: a name without one is a typing error, and the engine would ignore it in silence.
        if (!key.Contains('.', StringComparison.Ordinal))
        {
            throw new ModelRefusedException($"The engine setting '{key}' is not known. Use graph_optimization_level, execution_mode, enable_cpu_mem_arena, enable_mem_pattern, "
                + "intra_op_num_threads, inter_op_num_threads, free_dimension.<name>, or a session configuration key of ONNX Runtime such as session.set_denormal_as_zero.");
        }

        if (Array.Find(RefusedWords, word => key.Contains(word, StringComparison.OrdinalIgnoreCase)) is not null)
        {
            throw new ModelRefusedException($"The engine setting '{key}' cannot be set: it decides about files, logs or the way the model is loaded, which the server does itself.");
        }

        _entries[key] = value;
        MayUseOptimised &= Array.Exists(GraphNeutral, prefix => key.StartsWith(prefix, StringComparison.Ordinal));
    }

    private static GraphOptimizationLevel Level(string key, string value) => value switch
    {
        "disable" or "0" => GraphOptimizationLevel.ORT_DISABLE_ALL,
        "basic" or "1" => GraphOptimizationLevel.ORT_ENABLE_BASIC,
        "extended" or "2" => GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
        "all" or "99" => GraphOptimizationLevel.ORT_ENABLE_ALL,
        _ => throw Bad(key, value, "disable, basic, extended or all"),
    };

    private static bool Switch(string key, string value) => value switch
    {
        "1" or "true" => true,
        "0" or "false" => false,
        _ => throw Bad(key, value, "0 or 1"),
    };

    private static int Whole(string key, string value, int most) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most
            ? number
            : throw Bad(key, value, string.Create(CultureInfo.InvariantCulture, $"a whole number from 1 to {most}"));

    private static ModelRefusedException Bad(string key, string value, string allowed) =>
        new($"The engine setting '{key}' is '{value}'; allowed is {allowed}.");
}
