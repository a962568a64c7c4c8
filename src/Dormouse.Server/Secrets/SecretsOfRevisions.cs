using System.Collections.Immutable;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Secrets;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Secrets;

/// <summary>What came of opening the secrets of a revision.</summary>
internal abstract record SecretsOutcome
{
    private SecretsOutcome()
    {
    }

    public sealed record Opened(InstanceSecrets Secrets) : SecretsOutcome;

    /// <param name="Reason">A sentence with the secret's name and what to type; for whoever deploys and calls.</param>
    /// <param name="IsMissing">It is not set; false = this server cannot open it, or it does not fit.</param>
    public sealed record Refused(string Reason, bool IsMissing) : SecretsOutcome;
}

/// <summary>Opens the secrets that a revision names: at its deploy, and anew for each instance.</summary>
internal sealed partial class SecretsOfRevisions(ISecretStore store, ILogger<SecretsOfRevisions> logger)
{
    private static readonly SecretsOutcome Nothing = new SecretsOutcome.Opened(InstanceSecrets.None);

    /// <exception cref="System.Data.Common.DbException">The store failed.</exception>
    public async ValueTask<SecretsOutcome> OpenAsync(TenantId tenant, RevisionSpec spec, CancellationToken cancellationToken)
    {
        var names = SecretRules.NamesOf(spec);
        if (names.IsEmpty)
        {
            return Nothing;
        }

        var opened = await store.OpenAsync(tenant, names, cancellationToken);
        ImmutableArray<string> missing = [.. opened.OfType<OpenedSecret.Missing>().Select(m => m.Name)];
        if (!missing.IsEmpty)
        {
            return new SecretsOutcome.Refused(
                missing.Length == 1
                    ? $"The secret '{missing[0]}' is not set. Set it: {SecretRules.HowToSet(missing[0])}"
                    : $"The secrets {string.Join(", ", missing.Select(n => $"'{n}'"))} are not set. Set them: {string.Join("; ", missing.Select(SecretRules.HowToSet))}",
                IsMissing: true);
        }

        if (opened.OfType<OpenedSecret.Unreadable>().FirstOrDefault() is { } unreadable)
        {
            LogUnreadable(unreadable.Name, unreadable.Reason);
            return new SecretsOutcome.Refused(
                $"The secret '{unreadable.Name}' cannot be opened with this server's key; 'dormouse secret list' and the server's log say why. Set it again, or let the operator put the right key file in place.", IsMissing: false);
        }

        var values = opened.OfType<OpenedSecret.Value>().ToDictionary(v => v.Name, v => v.Bytes, StringComparer.Ordinal);
        foreach (var (variable, name) in spec.Secrets)
        {
            if (InstanceSecrets.VariableRefusal(variable, name, values[name].AsSpan()) is { } refusal)
            {
                return new SecretsOutcome.Refused(refusal, IsMissing: false);
            }
        }

        var bytes = spec.Secrets.Values.Concat(spec.SecretFiles.Values).Sum(n => (long)values[n].Length);
        return bytes > SecretRules.InstanceBytesMax
            ? new SecretsOutcome.Refused($"The secrets of the revision have {bytes} bytes together; allowed are at most {SecretRules.InstanceBytesMax}.", IsMissing: false)
            : new SecretsOutcome.Opened(new InstanceSecrets(Valued(spec.Secrets, values), Valued(spec.SecretFiles, values)));
    }

    private static ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> Valued(ImmutableSortedDictionary<string, string> uses, Dictionary<string, ImmutableArray<byte>> values) =>
        [.. uses.Select(u => KeyValuePair.Create(u.Key, values[u.Value]))];

    [LoggerMessage(EventId = 4601, EventName = "SecretUnreadable", Level = LogLevel.Error, Message = "Secret {Name} cannot be opened: {Reason}")]
    private partial void LogUnreadable(string name, string reason);
}
