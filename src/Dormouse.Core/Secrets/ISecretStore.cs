using System.Collections.Immutable;
using Dormouse.Core.Endpoints;

namespace Dormouse.Core.Secrets;

/// <summary>What is known of a secret without opening it. Its name is unique within its tenant.</summary>
/// <param name="SetAt">When its value was set, to the microsecond.</param>
/// <param name="KeyId">Which key it is sealed with; empty where nothing is.</param>
public sealed record Secret(TenantId Tenant, string Name, DateTimeOffset SetAt, string KeyId)
{
    /// <summary>Why this server cannot open it, a sentence for the operator that names the key file; null = it can.</summary>
    public string? Fault { get; init; }
}

/// <summary>What came of opening one.</summary>
public abstract record OpenedSecret
{
    private OpenedSecret()
    {
    }

    public required string Name { get; init; }

    public sealed record Value : OpenedSecret
    {
        public required ImmutableArray<byte> Bytes { get; init; }

        /// <summary>Never the value.</summary>
        public override string ToString() => Name;
    }

    public sealed record Missing : OpenedSecret;

    /// <summary>It is sealed with a key that this server does not have, or was changed.</summary>
    public sealed record Unreadable : OpenedSecret
    {
        /// <summary>A sentence for the operator: it names the key file.</summary>
        public required string Reason { get; init; }
    }
}

/// <summary>Secrets of tenants, sealed at rest.</summary>
public interface ISecretStore
{
    /// <summary>Sets a value, over the one before.</summary>
    /// <returns>False: the tenant has <see cref="SecretRules.SecretsMax"/> others already.</returns>
    /// <exception cref="SealingException">The key file cannot be used, or what is stored is sealed with another key.</exception>
    Task<bool> SetAsync(TenantId tenant, string name, ReadOnlyMemory<byte> value, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>In order of name.</summary>
    Task<ImmutableArray<Secret>> ListAsync(TenantId tenant, CancellationToken cancellationToken);

    /// <summary>False: there is none of this name.</summary>
    Task<bool> RemoveAsync(TenantId tenant, string name, CancellationToken cancellationToken);

    /// <summary>The values of these names as they are at one moment, in their order.</summary>
    Task<ImmutableArray<OpenedSecret>> OpenAsync(TenantId tenant, ImmutableArray<string> names, CancellationToken cancellationToken);
}

/// <summary>Something cannot be sealed or opened; the message is a sentence for the operator that names the key file.</summary>
public sealed class SealingException : Exception
{
    public SealingException()
    {
    }

    public SealingException(string message)
        : base(message)
    {
    }

    public SealingException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
