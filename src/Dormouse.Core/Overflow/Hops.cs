using System.Collections.Immutable;

namespace Dormouse.Core.Overflow;

/// <summary>Why an invocation that came by overflow is not taken.</summary>
public enum HopsFault
{
    None,

    /// <summary>It has been here before.</summary>
    Loop,

    /// <summary>It came through more than <see cref="Hops.Most"/> servers.</summary>
    TooFar,

    /// <summary>The header is not what a server writes.</summary>
    Unreadable,
}

/// <summary>The servers that an invocation has come through by overflow, in the header <c>Dormouse-Hops</c>: ids of data folders, joined by comma.</summary>
public readonly record struct Hops
{
    /// <summary>Servers that one invocation may be sent on by.</summary>
    public const int Most = 3;

    /// <summary>It came from a caller.</summary>
    public static readonly Hops None = new() { Servers = [] };

    /// <summary>The first sent it first.</summary>
    public ImmutableArray<Guid> Servers { get; private init; }

    /// <summary>It may be sent on once more.</summary>
    public bool MayGoOn => Servers.Length < Most;

    /// <summary>Reads the header of an invocation that came to this server.</summary>
    /// <param name="text">Null or empty = it came from a caller.</param>
    public static HopsFault Read(string? text, Guid server, out Hops hops)
    {
        hops = None;
        if (string.IsNullOrEmpty(text))
        {
            return HopsFault.None;
        }

        var servers = ImmutableArray.CreateBuilder<Guid>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!Guid.TryParseExact(part, "D", out var id))
            {
                return HopsFault.Unreadable;
            }

            if (id == server)
            {
                return HopsFault.Loop;
            }

            if (servers.Count == Most)
            {
                return HopsFault.TooFar;
            }

            servers.Add(id);
        }

        hops = new Hops { Servers = servers.ToImmutable() };
        return HopsFault.None;
    }

    /// <summary>The header for the next server.</summary>
    public string Then(Guid server) => string.Join(", ", Servers.Append(server));
}
