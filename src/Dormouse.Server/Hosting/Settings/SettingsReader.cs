using System.Globalization;
using Dormouse.Core.Endpoints;

namespace Dormouse.Server.Hosting.Settings;

/// <summary>
/// Hands out values by key, each checked against what is allowed, and collects every fault so that all are shown at once. It replaces the configuration
/// binder: that one can neither say in which file and line a bad value stands, nor notice a key that nothing reads, and it costs start time.
/// </summary>
internal sealed class SettingsReader
{
    private readonly Dictionary<string, Setting> _settings = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _known = new(StringComparer.Ordinal);
    private readonly List<string> _faults = [];

    /// <param name="settings">Later ones replace earlier ones of the same key.</param>
    public SettingsReader(IEnumerable<Setting> settings)
    {
        foreach (var setting in settings)
        {
            _settings[setting.Key] = setting;
        }
    }

    /// <summary>Keys that were asked for so far, as they are documented.</summary>
    public IReadOnlyCollection<string> Known => _known.Values;

    public string? Text(string key) => Find(key)?.Value;

    public int Number(string key, int fallback, int min, int max) => Parse(
        key, fallback,
        text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) && n >= min && n <= max ? n : null,
        $"a whole number from {min} to {max}");

    /// <summary>Null when it is not set: then its default depends on more than settings.</summary>
    public int? Number(string key, int min, int max) => Text(key) is null ? null : Number(key, min, min, max);

    public TimeSpan Duration(string key, TimeSpan fallback, TimeSpan min, TimeSpan max) => Parse(
        key, fallback,
        text => Durations.TryParse(text, out var d) && d >= min && d <= max ? d : null,
        $"a duration from {Durations.Format(min)} to {Durations.Format(max)}, such as 60s, 500ms or 5m");

    public long SizeBytes(string key, long fallback, long min, long max) => Parse(
        key, fallback,
        text => Sizes.TryParse(text, out var s) && s >= min && s <= max ? s : null,
        $"a size from {Sizes.Format(min)} to {Sizes.Format(max)}, such as 512MiB or 2GiB");

    public bool Flag(string key, bool fallback) => Parse(
        key, fallback,
        text => text.ToLowerInvariant() switch { "true" or "yes" or "on" => true, "false" or "no" or "off" => false, _ => null },
        "true or false");

    public string Choice(string key, string fallback, params string[] choices) =>
        ParseText(key, fallback, text => Array.Find(choices, c => c.Equals(text, StringComparison.OrdinalIgnoreCase)), "one of " + string.Join(", ", choices));

    /// <summary>A value by a rule of its own; <paramref name="parse"/> answers null for what is not allowed.</summary>
    public T Parse<T>(string key, T fallback, Func<string, T?> parse, string allowed)
        where T : struct
    {
        if (Find(key) is not { } setting)
        {
            return fallback;
        }

        if (parse(setting.Value) is { } value)
        {
            return value;
        }

        Fault(key, setting, allowed);
        return fallback;
    }

    public T ParseText<T>(string key, T fallback, Func<string, T?> parse, string allowed)
        where T : class?
    {
        if (Find(key) is not { } setting)
        {
            return fallback;
        }

        if (parse(setting.Value) is { } value)
        {
            return value;
        }

        Fault(key, setting, allowed);
        return fallback;
    }

    /// <summary>A rule over several values failed.</summary>
    public void Fault(string sentence) => _faults.Add(sentence);

    /// <summary>Call last: adds a fault for each key that nothing asked for, then fails with all of them.</summary>
    /// <exception cref="ServerStartException">At least one fault.</exception>
    public void Finish()
    {
        foreach (var setting in _settings.Values.Where(s => !_known.ContainsKey(s.Key)))
        {
            if (_known.Keys.FirstOrDefault(k => k.StartsWith(setting.Key + ".", StringComparison.Ordinal)) is { } inside)
            {
                _faults.Add($"{setting.Written} ({setting.Origin}) is a section; put its keys under it, indented, such as {_known[inside][(setting.Written.Length + 1)..]}.");
                continue;
            }

            // A key without its section is most likely meant where a key of that name is.
            var near = Suggestion.Nearest(setting.Key, _known.Keys)
                ?? (setting.Key.Contains('.', StringComparison.Ordinal) ? null : _known.Keys.FirstOrDefault(k => Suggestion.Nearest(setting.Key, [k[(k.IndexOf('.', StringComparison.Ordinal) + 1)..]]) is not null));
            _faults.Add($"{setting.Written} ({setting.Origin}) is not a setting.{(near is null ? "" : $" Did you mean {_known[near]}?")}");
        }

        if (_faults.Count > 0)
        {
            var head = _faults.Count == 1 ? "A setting is not valid:" : $"{_faults.Count} settings are not valid:";
            throw new ServerStartException(ServerStartFailure.Settings, head + string.Concat(_faults.Select(f => "\n  " + f)));
        }
    }

    private Setting? Find(string key)
    {
        var canonical = Setting.Canonical(key);
        _known[canonical] = key;
        return _settings.GetValueOrDefault(canonical);
    }

    private void Fault(string key, Setting setting, string allowed) =>
        _faults.Add($"{key} ({setting.Origin}) is '{setting.Value}'; allowed is {allowed}.");
}

/// <summary>The known word that a mistyped one most likely means.</summary>
internal static class Suggestion
{
    /// <summary>Nearest by edit distance, at most a third of the word's length away; null when none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> known) => known
        .Select(k => (Word: k, Distance: Distance(word, k)))
        .Where(k => k.Distance <= Math.Max(2, word.Length / 3))
        .OrderBy(k => k.Distance).ThenBy(k => k.Word, StringComparer.Ordinal)
        .Select(k => k.Word)
        .FirstOrDefault();

    private static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        var current = new int[b.Length + 1];
        for (var i = 1; i <= a.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                current[j] = Math.Min(replaced, Math.Min(previous[j], current[j - 1]) + 1);
            }

            (previous, current) = (current, previous);
        }

        return previous[b.Length];
    }
}
