namespace Dormouse.Core.Endpoints;

/// <summary>How far an instance is kept from the machine and from its neighbours; docs/spec/sandbox.md says what each promises.</summary>
public enum IsolationLevel
{
    /// <summary>A process of the server's own user under limits: it sees what the server sees, and has the machine's network.</summary>
    Process,

    /// <summary>A process that sees the system read-only, its own package, and nothing else of the machine; another user, no network.</summary>
    Sandbox,
}

/// <summary>Whom an instance can reach over the network.</summary>
public enum NetworkAccess
{
    /// <summary>Nobody: it has a loopback interface of its own and nothing else.</summary>
    None,

    /// <summary>Whom the machine can reach.</summary>
    Outbound,
}

/// <summary>The levels' names in settings.</summary>
public static class IsolationLevels
{
    public const string Process = "process";
    public const string Sandbox = "sandbox";

    public const string None = "none";
    public const string Outbound = "outbound";

    public static string NameOf(NetworkAccess network) => network == NetworkAccess.Outbound ? Outbound : None;

    public static string NameOf(IsolationLevel level) => level == IsolationLevel.Sandbox ? Sandbox : Process;

    /// <summary>The level of a name; null = there is none of that name.</summary>
    public static IsolationLevel? Find(string name) => name switch
    {
        Process => IsolationLevel.Process,
        Sandbox => IsolationLevel.Sandbox,
        _ => null,
    };
}
