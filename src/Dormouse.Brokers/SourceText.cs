using System.Diagnostics.CodeAnalysis;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers;

/// <summary>Reads what is common to the sources of brokers.</summary>
internal static class SourceText
{
    /// <summary>Says where a broker's password is, so that no trigger shows it.</summary>
    public static readonly SourceKey PasswordKey = new("password_env", false, "variable of the server's environment that holds the password; its name begins with DORMOUSE_SECRET_");

    /// <summary>A trigger may not have any variable of the server's environment sent to an address of its choice.</summary>
    private const string SecretPrefix = "DORMOUSE_SECRET_";

    private static readonly TimeSpan ClaimMin = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ClaimMax = TimeSpan.FromHours(12);

    public static string Value(this Trigger trigger, string key, string fallback) => trigger.Source.GetValueOrDefault(key, fallback);

    /// <summary>Null when the address is of one of the schemes and holds no password.</summary>
    public static string? AddressFault(Trigger trigger, params string[] schemes)
    {
        var text = trigger.Value("url", "");
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || !schemes.Contains(url.Scheme) || url.Host.Length == 0)
        {
            return $"'url' is '{ShownText.Of(text)}'; allowed is an address such as {schemes[0]}://127.0.0.1:{Port(schemes[0])}.";
        }

        return url.UserInfo.Contains(':', StringComparison.Ordinal)
            ? "'url' holds a password, which everybody would see who sees the trigger; put it into a variable of the server's environment and name that in 'password_env'."
            : PasswordFault(trigger.Source);
    }

    public static string? PasswordFault(IReadOnlyDictionary<string, string> source, string prefix = "") =>
        source.TryGetValue(prefix + PasswordKey.Name, out var variable) && !variable.StartsWith(SecretPrefix, StringComparison.Ordinal)
            ? $"'{prefix}{PasswordKey.Name}' is '{ShownText.Of(variable)}'; allowed is a name that begins with {SecretPrefix}."
            : null;

    /// <param name="prefix">Of the key's name, where a source has two passwords.</param>
    public static string? Password(IReadOnlyDictionary<string, string> source, string prefix = "") => source.TryGetValue(prefix + PasswordKey.Name, out var variable)
        ? Environment.GetEnvironmentVariable(variable) ?? throw new IOException($"the server's environment has no variable '{variable}' ({prefix}{PasswordKey.Name})")
        : null;

    public static string? User(Uri url) => url.UserInfo.Length > 0 ? Uri.UnescapeDataString(url.UserInfo) : null;

    public static bool TryTime(Trigger trigger, string key, TimeSpan fallback, out TimeSpan time, [NotNullWhen(false)] out string? fault)
    {
        time = fallback;
        fault = trigger.Source.TryGetValue(key, out var text) && (!Durations.TryParse(text, out time) || time < ClaimMin || time > ClaimMax)
            ? $"'{key}' is '{ShownText.Of(text)}'; allowed is {Durations.Forms}, 1s to 12h."
            : null;
        return fault is null;
    }

    /// <summary>As <see cref="TryTime"/>, of a time after which what we have comes again: a batch must not wait so long for more.</summary>
    public static string? ReturnFault(Trigger trigger, string key, TimeSpan fallback) =>
        !TryTime(trigger, key, fallback, out var time, out var fault) ? fault
        : trigger.BatchSize > 1 && trigger.BatchWindow * 2 > time ? $"'batch_window' is {Durations.Format(trigger.BatchWindow)}; allowed is at most half of '{key}' ({Durations.Format(time)}), after which the events of a batch that waits come again."
        : null;

    private static int Port(string scheme) => scheme switch { "redis" => 6379, "nats" => 4222, "postgres" => 5432, "kafka" => 9092, _ => 5672 };
}
